"""The console blocks of the documents do what they show.

A block is a session: `$ ` begins a command (`> ` goes on with it), and what follows is its output.
A line `…` stands for any lines, and `…` inside a line for any text. A command that ends in ` &`
runs until the document ends. The blocks of a document share a folder, from top to bottom.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LONGEST_SECONDS = 90
_KEEP = """{ export -p; echo "cd '$PWD'"; }"""  # what the next command finds

# What begins so is not run, and its output is not compared.
ELSEWHERE = {
    "make ": "would install and test inside of a test; CI runs it",
    "git clone ": "there is no network",
    "pip install ": "there is no network",
    "docker ": "needs a container engine; tests/unit/test_docker.py reads the files",
    "celery -A recording_tasks ": "needs a broker; the other acceptance tests start it",
    "flower ": "needs a broker; the other acceptance tests start it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One command of a document, and what the document says that it prints."""

    line: int
    command: str
    output: tuple[str, ...]


def examples_of(text: str) -> list[Example]:
    """Read the commands of all console blocks."""
    found: list[tuple[int, list[str], list[str]]] = []
    is_inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            is_inside = line.strip() == "```console" and not is_inside
        elif not is_inside:
            continue
        elif line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif found and line.startswith("> ") and not found[-1][2]:
            found[-1][1].append(line[2:])
        else:
            assert found, f"line {number}: output without a command"
            found[-1][2].append(line)
    return [
        Example(line=number, command="\n".join(command), output=tuple(output))
        for number, command, output in found
    ]


def pattern_of(output: tuple[str, ...]) -> re.Pattern[str]:
    """Make what matches the output that a document shows."""
    parts = [
        r"(?:.*\n)*?" if line.strip() == "…" else _escaped(line.rstrip()) + r"[ \t]*\n"
        for line in output
        if line.strip()
    ]
    return re.compile("".join(parts))


def _escaped(line: str) -> str:
    """Any text for an ellipsis, and any space for a space: columns grow with their values."""
    words = [".*".join(map(re.escape, word.split("…"))) for word in line.split()]
    return r"[ \t]*" + r"[ \t]+".join(words)


def _is_elsewhere(command: str) -> bool:
    return command.startswith(tuple(ELSEWHERE))


def _environ(folder: Path) -> dict[str, str]:
    """A newcomer's: the package on the path, and nothing configured."""
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {
        "PATH": programs,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


class Shell:
    """One bash for a whole document, so that what one command exports the next one sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / ".exported"
        self._state.write_text("")
        self._left: list[subprocess.Popen[str]] = []

    def run(self, command: str) -> str:
        """Run a command to its end, and give what it printed."""
        started = self._start(f". {self._state}\n{command}\n{_KEEP} > {self._state}\n")
        try:
            output, _ = started.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            raise
        return output

    def leave(self, command: str) -> None:
        """Start a command, and let it run until the document ends."""
        log = self._folder / f".left-{len(self._left)}"
        self._left.append(self._start(f". {self._state}\nexec > {log} 2>&1\n{command}\n"))

    def close(self) -> None:
        for started in self._left:
            os.killpg(started.pid, signal.SIGKILL)
            started.communicate()

    def _start(self, script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=self._folder,
            env=_environ(self._folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@contextmanager
def _shell(folder: Path) -> Iterator[Shell]:
    shell = Shell(folder)
    try:
        yield shell
    finally:
        shell.close()


def _check(shell: Shell, example: Example) -> None:
    if example.command.endswith(" &"):
        shell.leave(example.command.removesuffix(" &"))
        return
    printed = shell.run(example.command)
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    text = "".join(f"{line}\n" for line in lines)
    assert pattern_of(example.output).fullmatch(text), (
        f"line {example.line}: $ {example.command}\nprinted:\n{text}"
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_a_document_shows_what_its_commands_print(document: Path, tmp_path: Path) -> None:
    """A reader who types what is there sees what is there."""
    examples = [one for one in examples_of(document.read_text()) if not _is_elsewhere(one.command)]
    with _shell(tmp_path) as shell:
        for example in examples:
            _check(shell, example)


def test_the_readme_shows_something_that_runs() -> None:
    """Once the README shows commands, at least one of them is run here."""
    examples = examples_of((ROOT / "README.md").read_text())

    assert not examples or any(not _is_elsewhere(one.command) for one in examples)


SESSION = """
```console
$ printf 'a  b\\nc\\nd\\n'
a b
…
$ export Y=2
$ echo $Y-$$
2-…
```
"""


def test_a_wrong_output_is_found(tmp_path: Path) -> None:
    """The check itself tells what differs, and lets pass what the ellipses allow."""
    right = examples_of(SESSION)
    wrong = Example(line=1, command="echo yes", output=("no",))

    with _shell(tmp_path) as shell:
        for example in right:
            _check(shell, example)
        with pytest.raises(AssertionError, match=r"printed:\s+yes"):
            _check(shell, wrong)

    assert len(right) == 3
