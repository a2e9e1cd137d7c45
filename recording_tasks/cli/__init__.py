"""The command line: recording-tasks demo, up, record, list, show and the others."""

from recording_tasks.cli.group import main

__all__ = ["main"]
