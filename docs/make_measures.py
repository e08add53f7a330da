"""Write docs/measures.md from the records of the measures: ``python docs/make_measures.py``."""

from __future__ import annotations

from pathlib import Path

from layergram.measures import MEASURES, Measure

PAGE = Path(__file__).with_name("measures.md")

HEAD = """# Measures

Made from the records in the code by `python docs/make_measures.py`.

One run makes any number of them over the same tokens:
`layergram map TEXT --measure divergence --measure attention_received`, or `--measure all`.
A column is aligned to the token that is being **read**, or to the token that is being
**predicted**: then its values come from the position before it, and the first token has none.

| measure | a cell is | range | unit | a column is |
| --- | --- | --- | --- | --- |
"""


def section(record: Measure) -> str:
    """What a reader needs to know of one measure."""
    lines = [f"## {record.name}", "", record.definition, ""]
    if record.options:
        options = ", ".join(f"`{k}` (default {v!r})" for k, v in record.options.items())
        lines += [f"Options: {options}.", ""]
    if record.source:
        taken = ", whose options it takes" if MEASURES[record.source].options else ""
        lines += [f"Made from `{record.source}`{taken}.", ""]
    lines += [f"Caveat: {record.caveat}", ""]
    if record.references:
        lines += [f"Source: {record.references}.", ""]
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    rows = "".join(
        f"| [`{r.name}`](#{r.name}) | {r.long_name} | {r.interval} "
        f"| {'' if r.units == '1' else r.units} | {r.alignment} |\n"
        for r in MEASURES.values()
    )
    return HEAD + rows + "\n" + "\n".join(section(record) for record in MEASURES.values())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
