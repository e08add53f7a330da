"""``layergram measures``: what can be measured."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

from layergram.cli.common import Group, PrintOptions
from layergram.measure_names import check_measure_names
from layergram.terminal import terminal_width

if TYPE_CHECKING:
    from layergram.measures import Measure

COLUMNS = {
    "reads": "is the token that is being read",
    "predicts": "is the token that is being predicted",
}


def command(
    *names: str,
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """List the measures of ``layergram map``, or everything about some of them.

    Args:
        names: names of measures to describe in full; without one all are listed.
        output: how much to print.
    """
    output = output or PrintOptions()
    if names:
        check_measure_names(names)

    from layergram.measures import MEASURES
    from layergram.recipe import DEFAULT_MEASURES

    records = [MEASURES[name] for name in names or MEASURES]
    if output.json:
        output.summary({"measures": [_plain(r, r.name in DEFAULT_MEASURES) for r in records]})
    elif not output.quiet:
        wide = terminal_width()
        lines = _in_full(records, wide) if names else _listed(records, DEFAULT_MEASURES)
        print("\n".join(lines))


def _plain(record: Measure, default: bool) -> dict[str, Any]:
    return {
        "name": record.name,
        "long_name": record.long_name,
        "definition": record.definition,
        "family": record.family,
        "units": record.units,
        "range": [record.valid_min, record.valid_max],
        "alignment": record.alignment,
        "axis": record.axis,
        "per_head": record.per_head,
        "options": record.all_options,
        "source": record.source,
        "caveat": record.caveat,
        "references": record.references,
        "default": default,
    }


def _listed(records: list[Measure], default: tuple[str, ...]) -> list[str]:
    width = max(len(record.name) for record in records)
    lines = [
        f"{'*' if record.name in default else ' '} {record.name:{width}}  {record.long_name}"
        for record in records
    ]
    return [
        *lines,
        "",
        "* measured where no --measure is given.",
        "layergram measures NAME says what one is; --measure all takes every one that fits.",
    ]


def _in_full(records: list[Measure], wide: int | None) -> list[str]:
    lines = []
    for record in records:
        unit = "" if record.units == "1" else f" {record.units}"
        facts = {
            "": record.definition,
            "values": f"{record.interval}{unit}",
            "a column": COLUMNS[record.alignment] if record.axis == "token" else "is a token role",
            "options": ", ".join(f"{k}={v}" for k, v in record.all_options.items()),
            "made from": record.source,
            "caveat": record.caveat,
            "source": record.references,
        }
        lines.append(record.name)
        for name, text in facts.items():
            if text:
                line = f"{name}: {text}" if name else text
                lines += _wrapped(line, wide)
        lines.append("")
    return lines[:-1]


def _wrapped(line: str, wide: int | None) -> list[str]:
    if wide is None:
        return [f"  {line}"]
    return textwrap.wrap(line, max(wide, 40), initial_indent="  ", subsequent_indent="    ")
