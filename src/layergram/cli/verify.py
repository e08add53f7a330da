"""``layergram verify``: are the results in a run's folder whole?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from layergram.errors import LayergramError

Flag = Annotated[bool, Parameter(negative="")]


def command(
    folder: Path,
    /,
    *,
    repair: Flag = False,
    quiet: Flag = False,
    json_summary: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Read all results in the folder of a run, and compare them with their checksums.

    Results are kept in shards of a few items. A shard is whole, missing (not made yet), torn (a
    file is gone or too short) or altered (other bytes than were written). Exits with 1 if any
    shard is not whole. Starting the run again makes these shards, and no others.

    Args:
        folder: the folder of a run (its --out).
        repair: forget torn and altered shards now, so that nothing reads them any more.
        quiet: print nothing but errors.
        json_summary: print the state of every shard as JSON.
    """
    from layergram.storage import verify as storage

    report = storage.repair(folder) if repair else storage.verify(folder)
    if json_summary:
        print(json.dumps(report.plain, ensure_ascii=False, indent=1))
    elif not quiet:
        print(*report.stages, sep="\n") if report.stages else print("no stage has begun")
    if not report.whole:
        bad = [f"{count} {state}" for state, count in report.counts.items() if state != "whole"]
        raise LayergramError(
            f"whole results in the folder '{folder}'",
            got=f"shards that are not: {', '.join(bad)}",
            do="start the run again: it makes these shards, and no others",
            exit_code=1,
        )
