"""The command: ``python -m tests.chaos --seed N --seconds S``."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from .judge import judge
from .plan import make_plan
from .report import show
from .run import run
from .servers import MissingError
from .stories import write_stories

NOTHING_TO_RUN_ON = 3


@click.command(context_settings={"show_default": True})
@click.option("--seed", default=1, help="The same seed gives the same plan.")
@click.option("--seconds", default=60.0, help="How long faults are injected.")
@click.option("--recordings", type=int, help="How many are asked for; by default one in 1.5 s.")
@click.option("--alone", is_flag=True, help="Outages only, one at a time: measures returns.")
@click.option("--broker", default="redis", type=click.Choice(["redis", "rabbitmq"]))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
@click.option("--keep", is_flag=True, help="Keep the logs, also when all held.")
def main(
    *,
    seed: int,
    seconds: float,
    recordings: int | None,
    alone: bool,
    broker: str,
    json_file: Path | None,
    keep: bool,
) -> None:
    """Strike a deployment of real processes at random, and see that nothing is lost or left."""
    console = Console(width=110 if not sys.stdout.isatty() else None, highlight=False)
    plan = make_plan(seed, seconds, recordings or max(24, int(seconds / 1.5)), alone=alone)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        evidence = run(plan, broker, folder, console.print)
    except MissingError as error:
        console.print(str(error))
        raise SystemExit(NOTHING_TO_RUN_ON) from None
    verdict = judge(evidence)
    show(plan, verdict, console)
    if json_file is not None:
        figures = {one.name: getattr(verdict, one.name) for one in dataclasses.fields(verdict)}
        figures["faults"] = verdict.faults
        json_file.write_text(json.dumps(figures, indent=1))
    if verdict.faults or keep:
        write_stories(evidence, folder / "stories.txt")
        console.print(f"logs in {folder}; stories.txt tells what happened to each channel")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(bool(verdict.faults))


if __name__ == "__main__":
    main()
