"""How tests run commands: as a person does, on a database and an environment of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from click.testing import CliRunner, Result

from recording_tasks.cli import main
from recording_tasks.cli.simulate import environment
from recording_tasks.models import Step
from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Database, Store

NOWHERE = "http://127.0.0.1:9"
_UNSET = (
    "CELERY_BROKER_URL",
    "RECORDING_EMBEDDED",
    "RECORDING_WORKER_THREADS",
    "RECORDING_API_RATE",
    "SENTRY_DSN",
)


class Cli:
    """The commands, on one SQLite file that may not exist yet."""

    def __init__(self, folder: Path, agora: str = NOWHERE) -> None:
        self.file = folder / "recordings.db"
        self.environ: dict[str, str | None] = {
            **dict.fromkeys(_UNSET),
            **environment(agora),
            "RECORDING_DATABASE_URL": f"sqlite:///{self.file}",
        }

    @classmethod
    def prepared(cls, folder: Path, agora: str = NOWHERE) -> Self:
        """Begin with a database that has its tables; migrating one for each test takes long."""
        cli = cls(folder, agora)
        cli.file.write_bytes(_migrated())
        return cli

    def run(self, *arguments: str, typed: str | None = None, **environ: str | None) -> Result:
        """Run a command to its end."""
        runner = CliRunner(env={**self.environ, **environ})
        return runner.invoke(main, arguments, input=typed, prog_name="recording-tasks")

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command that must succeed and print one JSON document, and nothing else."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def faults(self, *arguments: str, code: int, **environ: str | None) -> list[str]:
        """Run a command that must be refused, and give its lines on standard error."""
        result = self.run(*arguments, **environ)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert all(line.startswith("error: ") for line in lines), lines
        return [line.removeprefix("error: ") for line in lines]

    def recorded(self, *arguments: str) -> str:
        """Ask for a recording, and give its id."""
        identity: str = self.json("record", *arguments)["recording"]["id"]
        return identity

    def store(self) -> Store:
        """Open the database beside the commands."""
        return Store(Database(f"sqlite:///{self.file}"))


@cache
def _migrated() -> bytes:
    """Make the file of a database with tables and nothing in them."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recordings.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        database.close()
        return file.read_bytes()


@contextmanager
def working(cli: Cli) -> Iterator[None]:
    """Do what is due, as a worker and a beat would, until the end of the block."""
    environ = {name: value for name, value in cli.environ.items() if value is not None}
    settings = read_settings(environ)
    recorder = Recorder(Store(Database(settings.database_url)), settings)
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.02):
            for one in recorder.sweep():
                has_start = recorder.run(one.recording_id, one.step, one.claim)
                if has_start and one.start_at is not None:
                    recorder.run(one.recording_id, Step.START, one.start_claim)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        recorder.close()
