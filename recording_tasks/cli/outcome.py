"""What became of a demo: our books beside what the simulator saw, and the promises broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recording_tasks.cli.documents import recording_document
from recording_tasks.cli.scene import Scene
from recording_tasks.models import Recording, RecordingState
from recording_tasks.simulator import SimulatorClient

QUOTA = 10  # requests in any second that Agora grants an App ID by default
_LATEST_MS = 5000.0  # later than this is not on time, also where the machine itself stalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One recording of the demo.

    Attributes:
        start_lag_ms: From the instant asked for to the start call that the simulator saw.
        stop_lag_ms: The same for the stop; None when there was none.
    """

    recording: Recording
    start_lag_ms: float | None
    stop_lag_ms: float | None
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All of a demo.

    Attributes:
        call_count, refused_by_quota, running, peak: As the simulator counted.
        faults: One line for each promise that was broken.
    """

    lines: tuple[Line, ...]
    call_count: int
    refused_by_quota: int
    running: int
    peak: int
    kill_count: int
    folder: Path
    database_url: str
    faults: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.faults


def outcome_of(scene: Scene, simulator: SimulatorClient) -> Outcome:
    """Ask both sides, and compare."""
    report, starts, stops = simulator.report(), simulator.calls("start"), simulator.calls("stop")
    lines = tuple(
        Line(
            recording=recording,
            start_lag_ms=_lag_ms(starts, recording.channel, scene.start_at),
            stop_lag_ms=_lag_ms(stops, recording.channel, scene.stop_at),
            files=_objects(simulator, recording.channel),
        )
        for recording in scene.recordings()
    )
    peaks: Mapping[str, int] = report["peak_accepted_per_second"]
    running, refused = report["sessions_running"], report["refused_by_quota"]
    peak = max(peaks.values(), default=0)
    return Outcome(
        lines=lines,
        call_count=report["call_count"],
        refused_by_quota=refused,
        running=running,
        peak=peak,
        kill_count=scene.kill_count,
        folder=scene.folder,
        database_url=scene.database_url,
        faults=tuple(_faults(lines, running=running, refused=refused, peak=peak)),
    )


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Write the outcome for programs."""
    return {
        "is_kept": outcome.is_kept,
        "faults": list(outcome.faults),
        "recordings": [
            {
                **recording_document(line.recording),
                "start_lag_ms": line.start_lag_ms,
                "stop_lag_ms": line.stop_lag_ms,
                "files": list(line.files),
            }
            for line in outcome.lines
        ],
        "simulator": {
            "call_count": outcome.call_count,
            "refused_by_quota": outcome.refused_by_quota,
            "sessions_running": outcome.running,
            "peak_per_second": outcome.peak,
        },
        "kill_count": outcome.kill_count,
        "database_url": outcome.database_url,
    }


def _lag_ms(calls: list[dict[str, Any]], channel: str, asked_at: datetime) -> float | None:
    instants: list[float] = [call["at_unix"] for call in calls if call["cname"] == channel]
    if not instants:
        return None
    return round((min(instants) - asked_at.timestamp()) * 1000, 1)


def _objects(simulator: SimulatorClient, channel: str) -> tuple[str, ...]:
    """Name the playlists and video files in the bucket; slices belong to a playlist."""
    names = [name for each in simulator.sessions(channel) for name in simulator.files(each["sid"])]
    return tuple(name for name in names if name.endswith((".m3u8", ".mp4")))


def _faults(lines: tuple[Line, ...], *, running: int, refused: int, peak: int) -> Iterator[str]:
    for line in lines:
        name = line.recording.channel
        if line.recording.state is not RecordingState.STOPPED:
            yield f"{name} is {line.recording.state.value}: {line.recording.reason}"
        if line.start_lag_ms is None or line.start_lag_ms > _LATEST_MS:
            yield f"{name} was not started on time"
        if line.stop_lag_ms is None or line.stop_lag_ms > _LATEST_MS:
            yield f"{name} was not stopped on time"
        if not line.files:
            yield f"{name} has no file"
    if running:
        yield f"{running} sessions are still running"
    if refused:
        yield f"{refused} calls were refused by the quota"
    if peak > QUOTA:
        yield f"{peak} calls in one second"
