"""``layergram verify``: are the results in a run's folder whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from layergram.cli.common import Flag, Group, PrintOptions
from layergram.errors import LayergramError


def command(
    folder: Path,
    /,
    *,
    repair: Flag = False,
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """Read all results in the folder of a run, and compare them with their checksums.

    Results are kept in shards of a few items. A shard is whole, missing (not made yet), torn (a
    file is gone or too short) or altered (other bytes than were written). Exits with 1 if any
    shard is not whole. Starting the run again makes these shards, and no others.

    Args:
        folder: the folder of a run (its --out).
        repair: forget torn and altered shards now, so that nothing reads them any more.
        output: how much to print.
    """
    output = output or PrintOptions()
    from layergram.storage import verify as storage

    report = storage.repair(folder) if repair else storage.verify(folder)
    if output.json:
        output.summary(report.plain)
    elif not output.quiet:
        print(*report.stages, sep="\n") if report.stages else print("no stage has begun")
    if not report.whole:
        bad = [f"{count} {state}" for state, count in report.counts.items() if state != "whole"]
        raise LayergramError(
            f"whole results in the folder '{folder}'",
            got=f"shards that are not: {', '.join(bad)}",
            do="start the run again: it makes these shards, and no others",
            exit_code=1,
        )
