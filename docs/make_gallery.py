"""Write docs/gallery.md and its pictures: every kind of figure, every kind of fact.

Run it from anywhere: ``python docs/make_gallery.py``.
"""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from layergram import figures
from layergram.figures.examples import examples

DOCS = Path(__file__).parent
PICTURES = DOCS / "gallery"
DOTS_PER_INCH = 110  # small enough for a repository, large enough to read


def figure_sections() -> Iterator[str]:
    """One section per kind of figure, with its picture written beside the page."""
    for name, example in examples().items():
        figure = figures.plan(example.maps, style=example.style)
        figures.save(figure, PICTURES / f"{name}.png", dots_per_inch=DOTS_PER_INCH)
        files = "MAP.nc" if not isinstance(example.maps, list) else "A.nc B.nc"
        command = f"layergram draw {files} {example.options}".strip()
        yield (
            f"### {example.title}\n\n{example.says}\n\n"
            f"`{command}`\n\n![{example.title}](gallery/{name}.png)\n"
        )


def fact_sections() -> Iterator[str]:
    """One section per kind of fact: a small map as a picture, and the words about it."""
    if importlib.util.find_spec("layergram.words.examples") is None:
        return
    from layergram.words import examples as facts

    drawn: list[xr.DataArray] = []
    for title, array, words in facts.examples():
        number = next((at for at, other in enumerate(drawn) if array.equals(other)), len(drawn))
        picture = f"gallery/map_{number + 1}.png"
        if number == len(drawn):
            drawn.append(array)
            figures.save(figures.plan(array), DOCS / picture, dots_per_inch=DOTS_PER_INCH)
        said = textwrap.indent(words.strip(), "> ")
        yield f"### {title}\n\n![The map of this example]({picture})\n\n{said}\n"


def main() -> None:
    """Write the page."""
    parts = [
        "# Gallery\n",
        "Made by `python docs/make_gallery.py`; the numbers are invented.\n",
        "## Figures\n",
        *figure_sections(),
    ]
    facts = list(fact_sections())
    if facts:
        parts += ["## Facts\n", *facts]
    (DOCS / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
