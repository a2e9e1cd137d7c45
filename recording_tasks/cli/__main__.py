"""The command line as `python -m recording_tasks.cli`."""

from recording_tasks.cli.group import main

main(prog_name="recording-tasks")
