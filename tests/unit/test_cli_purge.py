"""The command that removes what is over for long, or only counts it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cli_runs import Cli

from recording_tasks.store.schema import recordings


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Three recordings that ended: two of them forty days ago."""
    cli = Cli.prepared(tmp_path)
    for channel in ("a", "b", "c"):
        cli.run("cancel", cli.recorded(channel, "--start-at", "+1h", "--duration", "1h"))
    store = cli.store()
    long_ago = store.now() - timedelta(days=40)
    with store.database.begin() as connection:
        old = sa.update(recordings).where(recordings.c.channel != "c")
        connection.execute(old.values(finished_at=long_ago))
    return cli


def channels(cli: Cli) -> list[str]:
    return sorted(recording.channel for recording in cli.store().recent())


def test_a_dry_run_counts_and_removes_nothing(cli: Cli) -> None:
    """For a look before it is switched on."""
    result = cli.run("purge", "--days", "30", "--dry-run")

    assert result.stdout == "2 recordings would be removed\n"
    assert channels(cli) == ["a", "b", "c"]


def test_what_is_older_is_removed(cli: Cli) -> None:
    """As the option says, or else the setting."""
    assert cli.json("purge", "--days", "50") == {"recordings": 0, "removed": True}

    result = cli.run("purge", RECORDING_KEEP_DAYS="30")

    assert result.stdout == "2 recordings were removed\n"
    assert channels(cli) == ["c"]


def test_without_a_number_of_days_nothing_is_removed(cli: Cli) -> None:
    """Everything is kept unless somebody says otherwise."""
    result = cli.run("purge")

    assert result.exit_code == 2
    assert "everything is kept" in result.stderr
    assert channels(cli) == ["a", "b", "c"]


def test_an_archive_that_cannot_be_written_is_told(cli: Cli, tmp_path: Path) -> None:
    """And what could not be archived stays."""
    (tmp_path / "file").write_text("")

    result = cli.run("purge", "--days", "30", RECORDING_ARCHIVE_FOLDER=str(tmp_path / "file"))

    assert result.exit_code == 1
    assert "0 were removed; the archive cannot be written" in result.stderr
    assert channels(cli) == ["a", "b", "c"]
