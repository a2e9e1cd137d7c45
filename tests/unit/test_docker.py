"""The image and the compose file name only what exists: read here, for want of an engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.bin.celery import celery
from flower.options import default_options

import recording_tasks
from recording_tasks import simulator
from recording_tasks.cli import main
from recording_tasks.settings import read_settings

ROOT = Path(__file__).parents[2]
PACKAGE = Path(recording_tasks.__file__).parent
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE_TEXT = (DOCKER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OF_THE_IMAGE = {name for name, one in SERVICES.items() if one["image"].startswith("recording-")}


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), with its continued lines joined."""
    plain = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", plain).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def _variables(name: str) -> dict[str, str]:
    """What an example file sets."""
    lines = (DOCKER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _commands() -> list[list[str]]:
    (default,) = [rest for kind, rest in _instructions() if kind == "CMD"]
    (healthy,) = [rest for kind, rest in _instructions() if kind == "HEALTHCHECK"]
    checks = [one["healthcheck"].get("test", []) for one in SERVICES.values()]
    return [
        json.loads(default),
        shlex.split(healthy.partition(" CMD ")[2]),
        *(shlex.split(test[1]) for test in checks if test[:1] == ["CMD-SHELL"]),
        *(SERVICES[name]["command"] for name in sorted(OF_THE_IMAGE)),
    ]


def _is_sent_to_the_builder(path: str) -> bool:
    """Whether the ignore file, read to its end, lets a path of the checkout pass."""
    passes = True
    for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch.fnmatch(path, line.removeprefix("!")):
            passes = line.startswith("!")
    return passes


def _exists(source: str) -> bool:
    """Whether it is in the checkout, or beside the package that is tested without one."""
    return (ROOT / source).exists() or (PACKAGE.parent / source).exists()


def test_every_copied_file_exists_and_reaches_the_builder() -> None:
    """The image is made of files of this checkout that the ignore file lets pass."""
    copies = [rest.split()[:-1] for kind, rest in _instructions() if kind == "COPY"]
    sources = {source for copy in copies if "--from" not in copy[0] for source in copy}

    assert {source for source in sources if not _exists(source)} == set()
    assert {source for source in sources if not _is_sent_to_the_builder(source)} == set()
    assert not _is_sent_to_the_builder(".env")
    assert not _is_sent_to_the_builder("docker/agora.env")


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_every_command_exists_with_its_options(command: list[str]) -> None:
    """What a container runs is a command of Celery or of ours, and takes these options."""
    program, *arguments = command
    group: click.Group = main
    if program == "celery":
        assert arguments[:2] == ["-A", recording_tasks.__name__]
        group, arguments = celery, arguments[2:]
    else:
        assert program == "recording-tasks"
    name, *options = arguments

    found = group.get_command(click.Context(group), name)

    assert found is not None
    context = click.Context(found, ignore_unknown_options=name == "flower")
    values, left, _ = found.make_parser(context).parse_args(list(options))
    flowers = values.get("tornado_argv", ())
    assert not left
    assert {option.partition("=")[0].removeprefix("--") for option in flowers} <= {*default_options}


def test_every_image_has_a_version() -> None:
    """Nothing changes below a deployment because somebody published something."""
    images = {rest.split()[0] for kind, rest in _instructions() if kind == "FROM"}
    images |= {one["image"] for one in SERVICES.values()}

    assert {image for image in images if not re.search(r":\d+(\.\d+)*", image)} == set()
    assert f"recording-tasks:{version('recording-tasks')}" in images


def test_no_container_of_ours_is_root_or_writes_to_its_image() -> None:
    """The last user is not root; file system, capabilities and privileges are taken away."""
    users = [rest for kind, rest in _instructions() if kind == "USER"]

    assert users[-1] not in {"0", "root"}
    for name in OF_THE_IMAGE:
        assert SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_two_beats_differ_in_nothing() -> None:
    """Either of them may die: they are the same."""
    assert SERVICES["beat-1"] == SERVICES["beat-2"]


def test_every_service_comes_back_and_is_given_time_to_end() -> None:
    """A crash is mended; a call under way, a stop that waits for its upload too, finishes."""
    longest = read_settings({}).stop_lease.total_seconds()

    assert all(one["restart"] in {"unless-stopped", "on-failure"} for one in SERVICES.values())
    assert all("stop_grace_period" in one for name, one in SERVICES.items() if name != "migrate")
    assert float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) >= longest


def test_everybody_waits_for_what_exists() -> None:
    """Each dependency is a service that can be in the state that is waited for."""
    for one in SERVICES.values():
        wanted = one.get("depends_on", {})
        for name in wanted:
            condition = wanted[name]["condition"] if isinstance(wanted, dict) else ""
            assert name in SERVICES
            assert condition != "service_healthy" or "test" in SERVICES[name]["healthcheck"]
            assert condition != "service_completed_successfully" or (
                SERVICES[name]["restart"] == "on-failure"
            )


def test_every_variable_is_one_that_somebody_reads() -> None:
    """A name with a fault would be ignored in silence."""
    source = "".join(module.read_text() for module in PACKAGE.rglob("*.py"))
    source += (PACKAGE.parent / "celeryconfig.py").read_text()
    set_here = {*_variables("agora.env.example")}.union(
        *(SERVICES[name].get("environment", {}) for name in OF_THE_IMAGE)
    )

    for name in set_here:
        if name.startswith("FLOWER_"):
            assert name.removeprefix("FLOWER_").lower() in default_options
        else:
            assert f'"{name}"' in source or name.startswith(("RECORDING_STORAGE__", "AGORA_"))


def test_every_placeholder_is_in_the_example() -> None:
    """Whoever fills in the example has filled in everything; a secret has no default."""
    found = dict(re.findall(r"\$\{([A-Z_]+)(:[-?])?", COMPOSE_TEXT))
    example = _variables(".env.example")

    assert found.keys() == example.keys()
    assert all(found[name] == ":?" for name in ("POSTGRES_PASSWORD", "FLOWER_BASIC_AUTH"))
    assert not any(example[name] for name in found if name != "WORKERS")


def test_the_filled_in_example_makes_settings_without_a_fault() -> None:
    """A worker whose files are filled in starts, and no secret was in the examples."""
    example = _variables("agora.env.example")
    filled = {
        "AGORA_APP_ID": simulator.DEFAULT_APP_ID,
        "AGORA_CUSTOMER_ID": "id",
        "AGORA_CUSTOMER_SECRET": "secret",
        "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
        "RECORDING_STORAGE__DEFAULT__REGION": "0",
        "RECORDING_STORAGE__DEFAULT__BUCKET": "bucket",
        "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "key",
        "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "secret",
    }
    environment = SERVICES["worker"]["environment"]

    settings = read_settings({**environment, **example, **filled})

    assert all(not example[name] for name in filled)
    assert settings.apps.keys() == settings.storages.keys() == {"default"}
    assert settings.database_url.startswith("postgresql://recording:")


def test_secrets_are_only_where_they_are_needed() -> None:
    """The workers alone are given what Agora and the buckets ask for."""
    with_files = {name for name, one in SERVICES.items() if "env_file" in one}
    with_values = {
        name for name, one in SERVICES.items() if "AGORA_" in str(one.get("environment", ""))
    }

    assert with_files == {"worker"}
    assert with_values == set()
