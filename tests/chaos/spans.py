"""Stretches of time, and what is left of them when others are taken away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[float, float]  # begin and end, Unix seconds


def joined(spans: Iterable[Span]) -> list[Span]:
    """Give the same time as spans in order that do not touch."""
    found: list[Span] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def without(spans: Iterable[Span], taken: Sequence[Span]) -> list[Span]:
    """Take time away; `taken` is as `joined` gives it."""
    left: list[Span] = []
    for begin, end in joined(spans):
        at = begin
        for first, last in taken:
            if last <= at or first >= end:
                continue
            if first > at:
                left.append((at, first))
            at = max(at, last)
        if at < end:
            left.append((at, end))
    return left


def length(spans: Iterable[Span]) -> float:
    """Add up spans that do not overlap; one that ends before it begins counts nothing."""
    return sum(max(0.0, end - begin) for begin, end in spans)
