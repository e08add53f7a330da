"""What stands around the panels of a figure: its title above, legend and notes below."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from layergram.figures.bars import sign_of_bar
from layergram.figures.cell_marks import EQUAL_GREY
from layergram.figures.spec import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Painted

LINE = 1.3 / 72  # inches per point of font size, for text of several lines


def wrapped(text: str, length: float, font_size: float) -> str:
    """The text in lines that are not longer than some inches."""
    return "\n".join(textwrap.wrap(text, max(12, int(length * 72 / (font_size * 0.56)))))


def _footer_lines(figure: Figure, width: float) -> list[str]:
    if figure.notes_shown == "none":
        return []
    characters = max(20, int(width * 72 / (figure.font_size * 0.53)))
    return [line for note in figure.notes for line in textwrap.wrap(note, characters)]


def _legend_texts(figure: Figure, width: float) -> list[str]:
    characters = max(16, int((width - 0.35) * 72 / (figure.font_size * 0.55)))
    return ["\n".join(textwrap.wrap(entry.text, characters)) for entry in figure.legend]


def footer_height(figure: Figure, width: float) -> float:
    """The height of the legend and the notes in inches, below panels of some width."""
    texts = _legend_texts(figure, width)
    legend = sum(text.count("\n") + 1 for text in texts) + 0.35 * len(texts)
    lines = len(_footer_lines(figure, width)) + legend
    return lines * figure.font_size * LINE + (0.08 if lines else 0.0)


def title_height(figure: Figure, width: float) -> float:
    """The height of the title in inches."""
    title = wrapped(figure.title, width, figure.font_size + 2)
    return figure.font_size * LINE * (2 + 1.3 * title.count("\n")) if title else 0.0


def write_title(painted: Painted, figure: Figure) -> None:
    """Write the title at the top of a figure that has its size."""
    if not figure.title:
        return
    width, height = painted.get_size_inches()
    size = figure.font_size + 2
    title = wrapped(figure.title, width, size)
    at = 1 - 0.06 / height
    painted.text(0.5, at, title, ha="center", va="top", size=size, in_layout=False)


def write_footer(painted: Painted, figure: Figure) -> None:
    """Write the notes at the bottom of a figure that has its size, and the legend above them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    width, height = painted.get_size_inches()
    line = figure.font_size * LINE / height
    notes = _footer_lines(figure, width)
    if notes:
        painted.text(
            0.06 / width,
            0.05 / height,
            "\n".join(notes),
            size=figure.font_size - 0.5,
            color="0.25",
            va="bottom",
            linespacing=1.25,
            in_layout=False,
        )
    if figure.legend:
        signs = {
            "hatched": Patch(facecolor="0.95", edgecolor="0.6", hatch="//////", linewidth=0.5),
            "grey": Patch(facecolor=EQUAL_GREY, linewidth=0),
            "dashed line": Line2D([], [], color="black", linewidth=0.8, linestyle=(0, (4, 2))),
            "dot": Line2D([], [], linestyle="", marker="o", markersize=2.5, color="black"),
            "rectangle": Patch(facecolor="none", edgecolor="black", linewidth=1.3),
            "dashed rectangle": Patch(
                facecolor="none", edgecolor="black", linewidth=1.3, linestyle=(0, (2, 1))
            ),
        }
        legend = painted.legend(
            [sign_of_bar(entry) if entry.colour else signs[entry.look] for entry in figure.legend],
            _legend_texts(figure, width),
            loc="lower left",
            bbox_to_anchor=(0.06 / width, len(notes) * line + 0.05 / height),
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.6,
            handleheight=0.9,
            labelspacing=0.35,
        )
        legend.set_in_layout(False)
