"""Write docs/gallery.md and its pictures: real runs, every kind of figure, every kind of fact.

Run it from anywhere: ``python docs/make_gallery.py``.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import gallery_facts
import gallery_figures
import gallery_runs
from layergram import figures

PAGE = Path(__file__).with_name("gallery.md")
PICTURES = PAGE.with_name("gallery")
DOTS_PER_INCH = 110  # small enough for a repository, large enough to read


def run_sections() -> Iterator[str]:
    """One section per figure of a real run."""
    for name, real in gallery_runs.REAL.items():
        yield (
            f"### {real.title}\n\n{real.says}\n\n"
            f"`{real.command}`\n\n![{real.title}](gallery/{name}.png)\n"
        )


def run_commands() -> Iterator[str]:
    """The commands that made the maps of the real runs, one a line."""
    for name, words in gallery_runs.RUNS.items():
        yield f"layergram {shlex.join(words)} --out {name}"


def figure_sections() -> Iterator[str]:
    """One section per kind of figure."""
    for name, example in gallery_figures.examples().items():
        files = "MAP.nc" if not isinstance(example.maps, list) else "A.nc B.nc"
        command = f"layergram draw {files} {example.options}".strip()
        yield (
            f"### {example.title}\n\n{example.says}\n\n"
            f"`{command}`\n\n![{example.title}](gallery/{name}.png)\n"
        )


def fact_sections() -> Iterator[str]:
    """One section per kind of fact: a small map as a picture, and the words about it."""
    for example in gallery_facts.examples():
        said = textwrap.indent(example.words, "> ")
        yield (
            f"### {example.title}\n\n"
            f"![The map of this example](gallery/{example.picture}.png)\n\n{said}\n"
        )


def page() -> str:
    """The whole page."""
    parts = [
        "# Gallery\n",
        "Made by `python docs/make_gallery.py`.\n",
        "## Real runs\n",
        "The maps in `docs/gallery/data` were made by the embedded model, "
        "SmolLM2-135M-Instruct, and by an untrained llama, with these commands "
        "(`python docs/make_gallery_runs.py FOLDER` runs them again):\n",
        "\n".join(["```sh", *run_commands(), "```\n"]),
        *run_sections(),
        "## Every kind of figure\n",
        "The numbers of these are made by a formula, so that each shows its kind.\n",
        *figure_sections(),
        "## Every kind of fact\n",
        "The numbers of these are made by a formula, too.\n",
        *fact_sections(),
    ]
    return "\n".join(parts)


def draw() -> None:
    """Draw every picture of the page."""
    planned = {
        name: figures.plan(example.maps, style=example.style)
        for name, example in gallery_figures.examples().items()
    }
    planned |= {
        name: figures.plan(real.maps, style=real.style) for name, real in gallery_runs.REAL.items()
    }
    planned |= {one.picture: figures.plan(one.map) for one in gallery_facts.examples()}
    for name, figure in planned.items():
        figures.save(figure, PICTURES / f"{name}.png", dots_per_inch=DOTS_PER_INCH)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    draw()
