"""Which instants of a quota are still free."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .pace import Pace


def free_slot(taken: Sequence[float], not_before: float, pace: Pace, factor: float = 1.0) -> float:
    """Find the first instant that keeps the quota, whatever is taken before and after it.

    Any `rate` + 1 slots, the new one among them, span a whole period.  Slots are kept a few
    milliseconds apart, so that a burst does not queue on our own processors; where the quota is
    shared with others they are spread evenly, because a burst would meet theirs.
    """
    if not pace.rate:
        return not_before
    rate = pace.rate
    period = pace.period / factor
    apart = min(0.01, period / rate / 2) if factor >= 1.0 else period / rate
    slot = not_before
    index = bisect_left(taken, slot)
    while True:
        if index > 0 and slot < taken[index - 1] + apart:
            slot = taken[index - 1] + apart
        elif index < len(taken) and taken[index] < slot + apart:
            slot = taken[index] + apart
        else:
            clash = _clash(taken, index, slot, rate, period)
            if clash is None:
                return slot
            slot = max(clash, slot + 1e-6)
        index = bisect_left(taken, slot, lo=index)


def _clash(
    taken: Sequence[float], index: int, slot: float, rate: int, period: float
) -> float | None:
    """Find from when on `slot` no longer makes too many in a period; None when it is free."""
    for first in range(max(0, index - rate), index + 1):
        last = first + rate - 1
        if last >= len(taken):
            break
        begin = taken[first] if first < index else slot
        end = taken[last] if last >= index else slot
        if end - begin < period:
            return taken[first] + period if first < index else taken[last] + 1e-6
    return None
