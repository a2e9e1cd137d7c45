"""Which tests may be skipped where every service must be there: under CI, none."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

ALLOWED: dict[str, str] = {}  # node id → why it cannot run under CI


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, which says what was missing."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    if not _is_ci() or report.nodeid in ALLOWED:
        return
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = (
        f"{report.nodeid}: nothing may be skipped under CI: {why.removeprefix('Skipped: ')}"
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report
