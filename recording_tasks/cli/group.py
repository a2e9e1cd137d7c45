"""Which commands there are, and how each error becomes an exit code; commands load on demand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

# Each command's home and first line, so that `--help` imports none of them.
COMMANDS = {
    "demo": ("demo", "Record a few simulated channels, and show that it kept its promises."),
    "up": ("up", "Run worker and beat in one process, with no server to install."),
    "record": ("record", "Record a channel, now or later."),
    "list": ("listing", "List recordings, the newest first."),
    "show": ("show", "Show one recording: its sessions, files and timeline."),
    "explain": ("explain", "Tell in words what happened to a recording, when and why."),
    "stop": ("changing", "End a recording now."),
    "extend": ("changing", "Move a recording's stop time, later or earlier."),
    "cancel": ("changing", "Call a recording off."),
    "migrate": ("migrate", "Bring the database's tables up to this version's."),
    "purge": ("purge", "Remove recordings that ended longer ago than they are kept."),
    "doctor": ("doctor", "Check settings, database, broker and credentials."),
    "simulator": ("simulate", "Serve a simulated Agora, with faults on demand."),
}

OK, REFUSED, INVALID, UNKNOWN, UNAVAILABLE = 0, 1, 2, 3, 4
MISCONFIGURED = os.EX_CONFIG
INTERRUPTED = 130


class Commands(click.Group):
    """A group that imports a command when it is called, and has one door for every error."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        home = import_module(f"recording_tasks.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(home, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> NoReturn:
        """Run a command, and exit with the code that stands for what became of it."""
        options["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **options)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())  # its message is the help, line by line
            code = INVALID
        except click.ClickException as error:
            _say([_with_usage(error)])
            code = INVALID if isinstance(error, click.UsageError) else REFUSED
        except (click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
        except BrokenPipeError:
            sys.stdout = None  # its reader has gone: nothing is left to flush
            code = OK
        except Exception as error:  # noqa: BLE001 - the door: what nobody foresaw is raised again
            code = _exit_code(error)
        sys.exit(code if isinstance(code, int) else OK)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="See recording-tasks COMMAND --help for a command's options and an example.",
)
@click.version_option(package_name="recording-tasks")
def main() -> None:
    """Record Agora channels: never lost, never left running, on time.

    The commands work on the database that RECORDING_DATABASE_URL names
    (sqlite:///recordings.db); `recording-tasks up`, or a Celery worker and beat on the same
    database, does what is due there within a second.

    \b
    Exit codes:
      0   done
      1   refused, or failed: the answer says why
      2   wrong usage or arguments; every fault is listed
      3   no such recording
      4   the database is away, or has no tables
      78  the settings are faulty; every fault is listed

    \b
    Example:
      recording-tasks record lesson-7 --start-at 2026-11-21T09:00:00+01:00 --duration 1h
    """  # noqa: D301 - \b is click's


def _say(faults: Sequence[str]) -> None:
    for fault in faults:
        click.echo(f"error: {fault}", err=True)


def _with_usage(error: click.ClickException) -> str:
    line = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{line} (see {context.command_path} --help)" if context is not None else line


def _exit_code(error: Exception) -> int:
    """Print what is wrong, and choose the code; what nobody foresaw goes on as it is."""
    from sqlalchemy.exc import (  # noqa: PLC0415 - needed only when something went wrong
        ArgumentError,
        DatabaseError,
        NoSuchModuleError,
        ProgrammingError,
    )

    from recording_tasks import errors  # noqa: PLC0415

    match error:
        case errors.InvalidInputError():
            _say(error.faults)
            return INVALID
        case errors.ConfigurationError():
            _say(error.faults)
            return MISCONFIGURED
        case errors.UnknownRecordingError():
            _say([str(error)])
            return UNKNOWN
        case errors.StoreUnavailableError():
            _say([_with_remedy(str(error))])
            return UNAVAILABLE
        case ProgrammingError():
            _say([f"{_driver_said(error)}; run: recording-tasks migrate"])
            return UNAVAILABLE
        case DatabaseError() if type(error) is DatabaseError:  # a file that is no database
            _say([_driver_said(error)])
            return UNAVAILABLE
        case ArgumentError() | NoSuchModuleError():
            _say(["RECORDING_DATABASE_URL: not a URL of SQLite or PostgreSQL"])
            return MISCONFIGURED
        case errors.RecordingError():
            _say([str(error)])
            return REFUSED
    raise error


def _driver_said(error: Any) -> str:
    return f"the database cannot be used: {str(error.orig).strip().splitlines()[0]}"


def _with_remedy(reason: str) -> str:
    has_old_tables = "no such table" in reason or "no such column" in reason
    return f"{reason}; run: recording-tasks migrate" if has_old_tables else reason
