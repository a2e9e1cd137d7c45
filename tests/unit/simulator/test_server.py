"""How a simulator is served: in a thread, in a process of its own, and how cheaply imported."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import requests

from recording_tasks.simulator import Simulator, SimulatorClient, running

from .api import Api

SERVE = (
    "from recording_tasks.simulator import Settings, serve;"
    "serve('127.0.0.1', 0, Settings(pcw=1), on_up=lambda url: print(url, flush=True));"
    "print('ended')"
)


def test_two_can_run_at_once() -> None:
    """Each on a port of its own, with its own memory and settings."""
    with running(pcw=0) as full, running() as free:
        assert Api(full).acquire().says == (400, 406)
        assert Api(free).acquire().status == 200


def test_it_is_gone_afterwards() -> None:
    """Also when a request hangs in it."""
    with running() as simulator:
        simulator.fault("acquire", "hang")
        with pytest.raises(requests.ReadTimeout):
            Api(simulator).send("POST", "/acquire", {"cname": "a"}, timeout=0.1)

    assert not SimulatorClient(simulator.url).is_up()


def test_a_wrong_setting_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match="sped"), running(sped=1):
        pass


def test_a_running_one_refuses_a_wrong_setting(simulator: Simulator) -> None:
    """And goes on under the old ones."""
    with pytest.raises(ValueError, match="speed"):
        simulator.configure(speed=-1, pcw=0)

    assert Api(simulator).acquire().status == 200


def test_secrets_are_not_shown(simulator: Simulator) -> None:
    """The control door tells all settings but those."""
    simulator.configure(accounts=[{"app_id": "a" * 32, "customer_secret": "hidden"}])

    shown = requests.get(f"{simulator.url}/_simulator/settings", timeout=5).text

    assert "customer_secret" not in shown
    assert "hidden" not in shown


def test_the_foreground_ends_on_sigterm() -> None:
    """It says where it listens, serves, and returns."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        client = SimulatorClient(process.stdout.readline().strip())

        assert client.is_up()
        assert Api(client).acquire().status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() == "ended\n"


def test_the_package_is_cheap_to_import() -> None:
    """The server comes with the first use of a name."""
    code = "import sys, recording_tasks.simulator as s; print('uvicorn' in sys.modules, s.running)"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert told.startswith("False <function running")


def test_time_can_run_fast() -> None:
    """A minute in well under a second, without a hand on the clock."""
    with running(speed=1000) as simulator:
        api = Api(simulator)
        recorded = api.started()
        began = simulator.now()
        while simulator.now() < began + 60:
            pass

        assert api.query(recorded).body["serverResponse"]["status"] == 5
        simulator.speed(0)
        stopped_at = simulator.now()
        assert simulator.now() == stopped_at
