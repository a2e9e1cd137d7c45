"""The command that serves a simulated Agora in the foreground."""

from __future__ import annotations

import sys

import click

from recording_tasks.cli import group
from recording_tasks.simulator import Settings, serve

_STORAGE = "RECORDING_STORAGE__DEFAULT__"


@click.command("simulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8123,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How many times faster its clock runs than the real one.",
)
@click.option(
    "--latency",
    "latency_ms",
    metavar="MS",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="How long each answer is held back.",
)
@click.option(
    "--rate",
    "requests_per_second",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Requests in any second for each App ID; 0 knows no limit.",
)
@click.option(
    "--channels",
    "pcw",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Channels that may be recorded at a time for each App ID.",
)
@click.option(
    "--certificate",
    "app_certificate",
    metavar="HEX",
    help="The App Certificate: sessions without a token of it never join.",
)
@click.option("--quiet", is_flag=True, help="Print nothing.")
def simulator_command(host: str, port: int, quiet: bool, **settings: float | str | None) -> int:
    """Serve a simulated Agora, with faults on demand.

    It prints the environment variables that make recording-tasks use it. Faults, channels and
    the clock are controlled over HTTP under /_simulator; Ctrl-C ends it.

    \b
    Example:
      recording-tasks simulator --port 8123 --rate 20
    """  # noqa: D301 - \b is click's

    def on_up(url: str) -> None:
        if not quiet:
            click.echo(_exports(url, wanted))
            sys.stdout.flush()

    try:
        wanted = Settings().changed(settings)
    except ValueError:
        raise click.UsageError("--certificate must be 32 hexadecimal characters") from None
    try:
        serve(host, port, wanted, on_up=on_up)
    except SystemExit as error:  # uvicorn's word for a port that is taken
        if error.code:
            raise click.ClickException(f"cannot listen on {host}:{port}") from None
    return group.OK


def environment(url: str) -> dict[str, str]:
    """Make the variables that let the product use a simulator."""
    from recording_tasks import simulator  # noqa: PLC0415 - the names are made on demand

    return {
        "AGORA_BASE_URLS": url,
        "AGORA_APP_ID": simulator.DEFAULT_APP_ID,
        "AGORA_CUSTOMER_ID": simulator.DEFAULT_CUSTOMER_ID,
        "AGORA_CUSTOMER_SECRET": simulator.DEFAULT_CUSTOMER_SECRET,
        f"{_STORAGE}VENDOR": "1",
        f"{_STORAGE}REGION": "0",
        f"{_STORAGE}BUCKET": "simulated-bucket",
        f"{_STORAGE}ACCESS_KEY": "simulated-key",
        f"{_STORAGE}SECRET_KEY": "simulated-secret",
        f"{_STORAGE}PREFIX": "demo",
    }


def _exports(url: str, settings: Settings) -> str:
    lines = [f"# A simulated Agora at {url}; in another terminal:"]
    if settings.app_certificate is not None:
        lines.append(f"export AGORA_APP_CERTIFICATE={settings.app_certificate}")
    lines += [f"export {name}={value}" for name, value in environment(url).items()]
    return "\n".join(lines)
