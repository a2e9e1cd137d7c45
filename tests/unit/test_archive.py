"""The archive: what was written stays, whole lines only, also after a crash and by several."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from recording_tasks.recorder.archive import Archive

DAY = date(2026, 11, 21)
NINE = datetime(2026, 11, 21, 9, 0, 0, 5, tzinfo=UTC)


def lines(folder: Path, day: date = DAY) -> list[Any]:
    text = (folder / f"recordings-{day.isoformat()}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_documents_are_lines_of_json(tmp_path: Path) -> None:
    """In their order; instants as ISO 8601, other alphabets as they are, for us alone to read."""
    Archive(tmp_path / "a" / "b").append(DAY, [{"at": NINE, "name": "урок\n"}, {"n": 2}])

    (file,) = (tmp_path / "a" / "b").iterdir()
    assert file.name == "recordings-2026-11-21.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert lines(tmp_path / "a" / "b") == [
        {"at": "2026-11-21T09:00:00.000005+00:00", "name": "урок\n"},
        {"n": 2},
    ]


def test_a_file_grows_and_each_day_has_its_own(tmp_path: Path) -> None:
    """What was there before stays."""
    for n in range(3):
        Archive(tmp_path).append(DAY, [{"n": n}])
    Archive(tmp_path).append(date(2026, 11, 22), [{"n": 3}])

    assert lines(tmp_path) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert lines(tmp_path, date(2026, 11, 22)) == [{"n": 3}]


@pytest.mark.parametrize("torn", ['{"n": 1, "te', "x" * 200_000, "\n{"])
def test_a_line_that_a_crash_left_unfinished_is_cut_off(tmp_path: Path, torn: str) -> None:
    """Its recording was not removed, and is written again."""
    archive = Archive(tmp_path)
    archive.append(DAY, [{"n": 0}])
    with (tmp_path / "recordings-2026-11-21.jsonl").open("a") as file:
        file.write(torn.removeprefix("\n"))

    archive.append(DAY, [{"n": 1}])

    assert lines(tmp_path) == [{"n": 0}, {"n": 1}]


def test_a_file_of_nothing_but_an_unfinished_line_begins_anew(tmp_path: Path) -> None:
    """The crash came with the first line of the day."""
    (tmp_path / "recordings-2026-11-21.jsonl").write_text("y" * 70_000)

    Archive(tmp_path).append(DAY, [{"n": 1}])

    assert lines(tmp_path) == [{"n": 1}]


def test_several_may_append_at_once(tmp_path: Path) -> None:
    """No line is mixed with another's, however long."""
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: Archive(tmp_path).append(DAY, [{"n": n, "text": "z" * 50_000}] * 2),
                range(40),
            )
        )

    found = [line["n"] for line in lines(tmp_path)]
    assert sorted(found) == sorted([*range(40), *range(40)])


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """It is no folder at all."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        Archive(tmp_path / "file").append(DAY, [{"n": 1}])
