"""Permits: which instants of an App ID's quota are taken, and which one a new call may have."""

from .allotting import Allotment, Wanted, allot, reserve
from .lessons import Lessons
from .pace import Pace, poll_every
from .quota import Quota
from .slots import free_slot

__all__ = [
    "Allotment",
    "Lessons",
    "Pace",
    "Quota",
    "Wanted",
    "allot",
    "free_slot",
    "poll_every",
    "reserve",
]
