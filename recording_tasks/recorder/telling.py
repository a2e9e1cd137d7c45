"""What the log says of a recording: one line for each line of its timeline."""

from __future__ import annotations

import logging

from recording_tasks.lifecycle import Change
from recording_tasks.models import Recording

log = logging.getLogger(__name__)

# Somebody may have to act, so a worker that logs warnings only says these, too.
_GRAVE = frozenset(
    {
        "recording.failed",
        "recording.missed",
        "recording.resumed",
        "session.found_running",
        "session.stray_found",
        "session.unaccounted",
    }
)


def tell(recording: Recording, change: Change) -> None:
    """Say what a change that was written has brought."""
    for entry in change.entries:
        facts = "".join(
            f" {key}={value}" for key, value in entry.facts.items() if key != "resource_id"
        )
        level = logging.WARNING if entry.event in _GRAVE else logging.INFO
        log.log(
            level,
            "%s recording=%s session=%s%s",
            entry.event,
            recording.id,
            entry.session_number,
            facts,
        )
