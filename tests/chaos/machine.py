"""How slow the machine is while it runs all this: the judge's margins grow with it."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from deployment import Process

# A process of its own, so that only others' work makes it slower: how long 30 ms of work took.
_PROBE = """
import time
while True:
    began, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < 0.03:
        pass
    print((time.monotonic() - began) / 0.03, flush=True)
    time.sleep(0.4)
"""


class Machine:
    """Measures, from its making to its end, how much longer work takes than it would alone."""

    def __init__(self, folder: Path) -> None:
        self._probe = Process([sys.executable, "-c", _PROBE], folder / "machine.txt", os.environ)

    def end(self) -> float:
        """Give the median so far, at least 1, and measure no more."""
        self._probe.kill()
        taken = [float(line) for line in self._probe.text.splitlines()]
        return max(1.0, statistics.median(taken)) if taken else 1.0
