"""The use cases: where client, limiter, store and rules meet."""

from recording_tasks.recorder.acceptance import Accepted
from recording_tasks.recorder.claims import Dispatch
from recording_tasks.recorder.intake import RECORD_ARGUMENTS, Order, check_order
from recording_tasks.recorder.recorder import Recorder

__all__ = ["RECORD_ARGUMENTS", "Accepted", "Dispatch", "Order", "Recorder", "check_order"]
