"""What Celery accepts without a word and we do not: every option of ours is one it knows."""

from __future__ import annotations

import re
from pathlib import Path

from celery import Task
from celery.app.defaults import NAMESPACES, flatten
from deployment import ROOT

import celeryconfig
from recording_tasks import tasks
from recording_tasks.app import app

_CELERY_TASKS = {name for name in dir(Task) if not name.startswith("_")} | {
    name for name, _ in Task.from_config
}
# Options that Celery reads off a task and that have no default on its class.
_READ_BY_NAME = {
    "autoretry_for",
    "dont_autoretry_for",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
    "retry_kwargs",
}
_OF_THE_DECORATOR = {"base", "bind", "name"}


def _ours() -> dict[str, Task]:
    found = {name: task for name, task in app.tasks.items() if name.startswith("recording_tasks.")}
    assert tasks.record.name in found
    return found


def test_every_option_of_our_tasks_is_known_to_celery() -> None:
    """A misspelt option would be taken in silence and do nothing."""
    for name, task in _ours().items():
        added = {
            attribute
            for kind in type(task).__mro__[:-1]
            if kind.__module__ not in {"celery.app.task", "builtins"}
            for attribute in vars(kind)
            if not attribute.startswith("_")
        }

        unknown = added - _CELERY_TASKS - _READ_BY_NAME - {"run"}
        assert not unknown, f"{name}: {unknown}"


def test_every_option_of_our_decorators_is_known_to_celery() -> None:
    """The same for what stands in the source, where it would be read by a person."""
    source = Path(tasks.__file__).read_text()
    for options in re.findall(r"@app\.task\((.*?)\)\n", source, re.DOTALL):
        for name in re.findall(r"(\w+)=", options):
            assert name in _CELERY_TASKS | _READ_BY_NAME | _OF_THE_DECORATOR, name


def test_every_setting_is_known_to_celery() -> None:
    """A misspelt setting would be taken in silence and do nothing."""
    known = {name for name, _ in flatten(NAMESPACES)}
    ours = {name for name in vars(celeryconfig) if name[0] != "_" and name[0].islower()}
    assert ours - known - {"os", "logging"} == set()


def test_every_beat_entry_and_route_names_a_task() -> None:
    """Nothing is scheduled or routed that no worker knows."""
    scheduled = {entry["task"] for entry in celeryconfig.beat_schedule.values()}

    assert scheduled | set(celeryconfig.task_routes) <= set(_ours())


def test_every_task_acks_late_and_is_requeued_when_its_worker_is_lost() -> None:
    """No decorator undoes the policy that nothing is lost."""
    for name, task in _ours().items():
        assert task.acks_late, name
        assert task.reject_on_worker_lost, name
        assert task.serializer == "json", name


def test_the_queue_of_other_services_is_celerys_own_default() -> None:
    """A plain client that is told nothing and a worker that is told nothing meet."""
    assert celeryconfig.task_default_queue == "celery"
    assert "celery" in {queue.name for queue in celeryconfig.task_queues}
    assert "recording_tasks.record" not in celeryconfig.task_routes
    assert (ROOT / "celeryconfig.py").exists()
