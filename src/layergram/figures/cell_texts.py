"""Words in the cells of a heatmap: the likeliest token of each, where there is room to read it."""

from __future__ import annotations

from collections.abc import Sequence

from layergram.errors import LayergramError
from layergram.figures.panels import Part
from layergram.figures.spec import CellTexts
from layergram.figures.style import PAGE, Style
from layergram.tokens import display

COORDINATE = "top_token_text"
MOST_COLUMNS = 25
LEAST_POINTS = 4.5  # smaller print is not read
LETTER = 0.62  # width of a letter as a share of its size
LEAST_LETTERS = 5
PITCH = 0.55  # inches: the width of a column of cells with words


def has_texts(part: Part, style: Style) -> bool:
    """Whether words are wanted in a panel, and its map has one for each of the cells."""
    if style.cells == "colours" or part.y is None or not part.heat:
        return False
    known = COORDINATE in part.array.coords
    known = known and set(part.array[COORDINATE].dims) == {part.x.dim, part.y.dim}
    if style.cells == "text" and not known:
        raise LayergramError(
            "words in the cells",
            got=f"a map of {part.array.attrs['measure']} without a token for each cell",
            allowed=f"a map with the coordinate {COORDINATE} over its rows and columns",
            do="draw a map of the measure lens_token",
        )
    return known and (style.cells == "text" or part.array.attrs["measure"] == "lens_token")


def widened(size: tuple[float, float], parts: Sequence[Part], style: Style) -> tuple[float, float]:
    """The size of the only panel in inches, with room for words where it has some."""
    if len(parts) > 1 or not has_texts(parts[0], style) or parts[0].x.drawn > MOST_COLUMNS:
        return size
    return max(size[0], min(PAGE, parts[0].x.drawn * PITCH)), size[1]


def texts_of(part: Part, size: tuple[float, float], style: Style) -> CellTexts | None:
    """The words of a panel, each cut to the width of its cell; ``None`` where it has none.

    Raises:
        LayergramError: where words are asked for and cannot be read.
    """
    if part.y is None or not has_texts(part, style):
        return None
    rows, columns = part.values.shape
    points = min(style.font_size, 0.8 * 72 * size[1] / rows)
    room = 0.95 * 72 * size[0] / columns
    points = min(points, max(room / (LETTER * LEAST_LETTERS), 0.0))
    if columns > MOST_COLUMNS or part.x.pool > 1 or points < LEAST_POINTS:
        if style.cells == "auto":
            return None
        raise LayergramError(
            "words in the cells",
            got=f"{rows} rows and {len(part.x.labels)} columns, where words would have "
            f"{points:.1f} points",
            allowed=f"up to {MOST_COLUMNS} columns, and words of {LEAST_POINTS} points or more",
            do="choose fewer columns or rows with select, or fewer panels",
        )
    letters = int(room / (LETTER * points))
    texts = part.array[COORDINATE].transpose(part.y.dim, part.x.dim).values
    return CellTexts(
        tuple(
            tuple(_cut(display(str(text)), letters) if text else "" for text in row)
            for row in texts
        ),
        points,
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
