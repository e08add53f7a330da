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

What a model or a text cannot have is refused with the reason: measures of routers need a mixture of
experts, value-weighted attention needs heads whose outputs are sums of weighted values, and
`attention_rollout` needs attention in every layer and keeps it until the end of the text:
2 · L · T² bytes, at most 256 MiB (about 2,050 tokens at 32 layers).

| measure | a cell is | range | unit | a column is |
| --- | --- | --- | --- | --- |
"""


def section(record: Measure) -> str:
    """What a reader needs to know of one measure."""
    lines = [f"## {record.name}", "", record.definition, ""]
    if record.all_options:
        options = ", ".join(f"`{k}` (default {v!r})" for k, v in record.all_options.items())
        lines += [f"Options: {options}.", ""]
    if record.source:
        lines += [f"Made from `{record.source}`.", ""]
    lines += [f"Caveat: {record.caveat}", ""]
    if record.references:
        lines += [f"Source: {record.references}.", ""]
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    rows = "".join(
        f"| [`{r.name}`](#{r.name}) | {r.long_name} | {r.interval} "
        f"| {'' if r.units == '1' else r.units} | "
        f"{r.alignment if r.axis == 'token' else 'a token role'} |\n"
        for r in MEASURES.values()
    )
    return HEAD + rows + "\n" + "\n".join(section(record) for record in MEASURES.values())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
