"""Pure rules: what a recording and its sessions need next, and what an answer makes of them."""

from recording_tasks.lifecycle.answers import settle, sid_learned
from recording_tasks.lifecycle.call import Answer, Call, Refused
from recording_tasks.lifecycle.edits import (
    called_off,
    extended,
    first_session,
    layout_asked,
    unclaimed,
    update_asked,
)
from recording_tasks.lifecycle.endings import lapsed
from recording_tasks.lifecycle.rechecks import reopened, resumed, stray_stopped
from recording_tasks.lifecycle.relief import is_relief_due, relieved
from recording_tasks.lifecycle.rules import Change, Moment, Rules, Signal, freed
from recording_tasks.lifecycle.steps import acquire_instants, is_fresh, may_stop, step_at
from recording_tasks.lifecycle.waiting import admitted, held_back

__all__ = [
    "Answer",
    "Call",
    "Change",
    "Moment",
    "Refused",
    "Rules",
    "Signal",
    "acquire_instants",
    "admitted",
    "called_off",
    "extended",
    "first_session",
    "freed",
    "held_back",
    "is_fresh",
    "is_relief_due",
    "lapsed",
    "layout_asked",
    "may_stop",
    "relieved",
    "reopened",
    "resumed",
    "settle",
    "sid_learned",
    "step_at",
    "stray_stopped",
    "unclaimed",
    "update_asked",
]
