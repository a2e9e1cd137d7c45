"""The rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import recording_tasks

ROOT = Path(__file__).parents[2]
PACKAGE = Path(recording_tasks.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MEANINGLESS = {"utils", "common", "helpers", "base", "types", "constants"}


def _name(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def _pins(lock: str) -> dict[str, str]:
    """Versions by package, as one lock has them."""
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_no_module_has_a_name_without_meaning() -> None:
    """A thing lives where its meaning is."""
    names = {
        part for module in MODULES for part in module.relative_to(PACKAGE).with_suffix("").parts
    }

    assert not names & MEANINGLESS


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_opens_with_one_sentence(module: Path) -> None:
    """The first line says what this file alone knows, and is a sentence."""
    tree = ast.parse(module.read_text())
    first = (ast.get_docstring(tree) or "").partition("\n\n")[0]

    assert first or not tree.body
    assert "\n" not in first
    assert not first or first.endswith(".")


@pytest.mark.parametrize("lock", ["requirements-dev.lock", "requirements-build.lock"])
def test_all_locks_pin_the_same_versions(lock: str) -> None:
    """What is tested is what is deployed."""
    deployed, tested = _pins("requirements.lock"), _pins(lock)

    assert deployed
    assert tested
    assert {name: tested[name] for name in deployed.keys() & tested} == {
        name: deployed[name] for name in deployed.keys() & tested
    }
    assert lock != "requirements-dev.lock" or deployed.keys() <= tested.keys()


def test_every_pin_has_a_hash() -> None:
    """Nothing is installed that was not seen when the lock was made."""
    for lock in ROOT.glob("requirements*.lock"):
        pins = re.split(r"\n(?=[a-z0-9])", lock.read_text())[1:]

        assert pins
        assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_the_changelog_knows_this_version() -> None:
    """The version that is built has its entry, the newest one."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    entries = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert next(entry for entry in entries if entry != "Unreleased") == version


_FAULTY = """
import contextlib, socket, pytest

def test_skips():
    pytest.skip("the server is away")

def test_leaves_and_hides_it():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80))

def test_asks_a_resolver_and_hides_it():
    with contextlib.suppress(OSError):
        socket.getaddrinfo("example.com", 80)

def test_stays():
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(server.getsockname()).close()
"""


@pytest.mark.parametrize(
    ("ci", "summary"),
    [("1", "1 failed, 3 passed, 2 errors"), ("", "3 passed, 1 skipped, 2 errors")],
)
def test_skips_under_ci_and_ways_out_are_failures(tmp_path: Path, ci: str, summary: str) -> None:
    """A test that did not run, or that talked to the world, cannot look like one that passed."""
    (tmp_path / "test_faulty.py").write_text(_FAULTY)
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "closed_network", "-rA"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "CI": ci}

    ended = subprocess.run(
        [*command, "--rootdir", ".", "-c", os.devnull, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert summary in ended.stdout
    assert "PASSED test_faulty.py::test_stays" in ended.stdout
    assert ("nothing may be skipped under CI: the server is away" in ended.stdout) is bool(ci)
