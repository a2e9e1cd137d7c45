"""Record Agora channels from Celery: never lost, never left running, on time.

`celery -A recording_tasks worker` finds the application here, made at its first use, so that
importing the package for its models or its command line stays cheap.  `accept` is for programs
that record without a broker; it makes no Celery application.
"""

from typing import Any

__all__ = ["accept", "app", "celery"]


def __getattr__(name: str) -> Any:
    if name in {"app", "celery"}:
        from recording_tasks.app import app  # noqa: PLC0415 - see above

        return app
    if name == "accept":
        from recording_tasks.accepting import accept  # noqa: PLC0415 - see above

        return accept
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
