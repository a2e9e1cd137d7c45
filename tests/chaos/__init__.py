"""Random outages and faults against a deployment of real processes, and what became of its work."""

import sys
from pathlib import Path

_SHARED = str(Path(__file__).parent.parent)  # what several storeys of tests share
if _SHARED not in sys.path:
    sys.path.insert(0, _SHARED)
