"""The text itself, wrapped, with every token tinted by its value at one layer: the plan."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.figures import scales
from layergram.figures.rounding import EQUAL, beyond, matching_notes, rounding_notes
from layergram.figures.spec import Figure, LegendEntry, Scale, TextBox, TextPanel, Values
from layergram.figures.style import MM, Style
from layergram.figures.ticks import written
from layergram.maps import within_rounding
from layergram.tokens import VISIBLE_SPACES

WIDTH = 6.1  # inches of text: with the colour bar it is as wide as a page
LETTER = 0.602  # width of a letter of the fixed-width font, as a share of its size
LINE = 1.75  # height of a line, as a share of the size
LARGER = 1.5  # points by which the text is larger than the labels
LEAST_COLUMNS = 40
LEAST_LINES, MOST_LINES = 7, 200  # fewer leave the colour bar no room


def text_figure(
    array: xr.DataArray, *, style: Style, notes: Sequence[str], sinks: Sequence[int] = ()
) -> Figure:
    """The figure of a text whose tokens have the colour of their value.

    Args:
        array: a map of tokens, or of layers and tokens, with the texts of the tokens; the part of
            it that is drawn.
        style: the person's choices; ``layer`` is the one whose values are shown, by default that
            where the tokens differ most.
        notes: what has been done to the map.
        sinks: places of the tokens that do not count for the limits of the colours.

    Raises:
        LayergramError: for another map, a layer that it does not have, or a text too long.
    """
    asked = "the text with tinted tokens"
    single = [dim for dim in array.dims if array.sizes[dim] == 1 and dim not in ("layer", "token")]
    one = array.squeeze(single)
    fits = "token" in one.dims and set(one.dims) <= {"layer", "token"}
    if not fits or "token_text" not in one.coords:
        raise LayergramError(
            asked,
            got=f"a map of {', '.join(map(str, array.dims))}"
            + (" without the texts of its tokens" if fits else ""),
            allowed="a map of token, or of layer and token, with the coordinate token_text",
            do="select one label of every other axis, such as head=0:0",
        )
    row, said = _one_layer(one, style)
    values = row.values.astype(np.float64)
    if not np.isfinite(values).any():
        raise LayergramError(
            asked, got=f"no token with a value at layer {style.layer}", do="choose another layer"
        )
    equal = within_rounding(row)
    size = style.font_size + LARGER
    most = int(WIDTH * 72 / (LETTER * size))
    panel = _wrapped(row, values, equal, most)
    if len(panel.lines) > MOST_LINES:
        raise LayergramError(
            asked,
            got=f"{len(panel.lines):,} lines",
            allowed=f"{MOST_LINES} lines in one figure",
            do="select some of the tokens, such as token=0:999",
        )
    basis = np.delete(values if equal is None else beyond(row, values, equal), list(sinks))
    scale = scales.scale_for(
        [values], row.attrs, style=style, columns="token", basis=[basis], sinks=bool(sinks)
    )
    legend = [LegendEntry("hatched", panel.missing)] if panel.missing else []
    if equal is not None and (equal & np.isfinite(values)).any():
        legend.append(LegendEntry("grey", EQUAL))
    if panel.answer_from:
        said = [*said, "The answer begins below the line."]
    said = [*notes, *said, *_cut_off(scale), *rounding_notes([row]), *matching_notes([row])]
    return Figure(
        title=style.title,
        panels=(panel,),
        columns=1,
        panel_width=panel.columns * LETTER * size / 72,
        row_heights=(panel.rows * LINE * size / 72,),
        scales=(scale,),
        legend=tuple(legend),
        notes=tuple(said),
        hints=(),
        font_size=style.font_size,
        width=style.width / MM,
        font=style.font,
        notes_shown=style.notes,
    )


def _one_layer(array: xr.DataArray, style: Style) -> tuple[xr.DataArray, list[str]]:
    """The values of the layer that is shown, and which it is."""
    if "layer" not in array.dims:
        if style.layer is not None:
            raise LayergramError(
                f"the text with the colours of layer {style.layer}",
                got=f"a map of {array.attrs['measure']} without layers",
                do="leave the layer out",
            )
        return array, []
    layers = array["layer"].values.tolist()
    if style.layer is not None:
        if style.layer not in layers:
            raise LayergramError(
                f"the text with the colours of layer {style.layer}",
                got="a map without this layer, or one that is left out as the final layer",
                allowed=f"layer {layers[0]:g} to {layers[-1]:g}",
            )
        return array.sel(layer=style.layer), [f"The colours are those of layer {style.layer}."]
    grid = array.transpose("layer", "token").values.astype(np.float64)
    known = (row[np.isfinite(row)] for row in grid)
    spreads = [float(np.std(row)) if row.size else -1.0 for row in known]
    at = int(np.argmax(spreads))
    return array.isel(layer=at), [
        f"The colours are those of layer {layers[at]:g}, where the tokens differ most."
    ]


def _cut_off(scale: Scale) -> list[str]:
    """How many tokens lie beyond the limits of the colours."""
    notes = []
    for many, where, end, which, far in (
        (scale.above, "above", scale.high, "largest", scale.most),
        (scale.below, "below", scale.low, "smallest", scale.least),
    ):
        if many:
            lie, share = ("tokens lie", "share") if many > 1 else ("token lies", "shares")
            notes.append(
                f"{many:,} {lie} {where} {written(end)} (the {which}: {written(far)}) and {share} "
                "its colour."
            )
    return notes


def width_of(text: str) -> int:
    """How many letters of a fixed-width font a text is wide.

    Example:
        >>> width_of("and"), width_of("法国"), width_of("e\\u0301")
        (3, 4, 1)
    """
    return sum(
        0
        if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def shown_of(text: str) -> str:
    r"""A token's text with its white space readable: a line break is ``↵``, a tab ``⇥``.

    A token of spaces only is ``␣``; the space before a word stays a space.

    Example:
        >>> [shown_of(text) for text in (" and", " ", "\n", "", "\t")]
        [' and', '␣', '↵', '∅', '⇥']
    """
    if not text:
        return "∅"
    blank = not text.strip()
    marks = VISIBLE_SPACES if blank else {c: v for c, v in VISIBLE_SPACES.items() if c != " "}
    return "".join(marks.get(char, char) for char in text)


def _texts_of(row: xr.DataArray) -> list[str]:
    """The texts of the tokens; of a character in several tokens the first has it, others ``·``.

    Such a token is numbered in ``token_text`` alone, so its text is longer than its characters.
    """
    texts = [str(text) for text in row["token_text"].values]
    if not {"char_start", "char_end"} <= set(row.coords):
        return texts
    lengths = (row["char_end"] - row["char_start"]).values
    for at, text in enumerate(texts):
        whole = re.fullmatch(r"(.+) (\d+)/\d+", text, re.DOTALL)
        if whole and len(whole[1]) == lengths[at]:
            texts[at] = whole[1] if whole[2] == "1" else "·"
    return texts


def _wrapped(
    row: xr.DataArray,
    values: Values,
    equal: np.ndarray | None,
    most: int,  # type: ignore[type-arg]
) -> TextPanel:
    """The tokens in lines of at most ``most`` letters, broken between words where that can be."""
    texts = _texts_of(row)
    parts = row["part"].values.tolist() if "part" in row.coords else [""] * len(texts)
    lines: list[list[TextBox]] = [[]]
    place, answer_from = 0, 0
    widths = [width_of(shown_of(text)) for text in texts]
    for word in _words(texts):
        own = sum(widths[at] for at in word)
        first = word[0]
        if first and parts[first] == "answer" != parts[first - 1]:
            if lines[-1]:
                lines.append([])
            place, answer_from = 0, len(lines) - 1
        if place and place + own > most:
            lines.append([])
            place = 0
        for at in word:
            known = bool(np.isfinite(values[at]))
            grey = known and equal is not None and bool(equal[at])
            value = float(values[at]) if known else None
            for segment in texts[at].splitlines(keepends=True) or [""]:
                for piece in _pieces(shown_of(segment), most):
                    wide = max(width_of(piece), 1)
                    if place and place + wide > most:
                        lines.append([])
                        place = 0
                    lines[-1].append(TextBox(at, piece, place, wide, value, grey))
                    place += wide
                if segment.endswith("\n"):
                    lines.append([])
                    place = 0
    lines = lines if lines[-1] else lines[:-1]
    missing = str(row.attrs.get("missing", "no value")) if np.isnan(values).any() else ""
    widest = max(box.place + box.width for line in lines for box in line)
    columns = max(widest, LEAST_COLUMNS)
    return TextPanel(
        title="",
        lines=tuple(tuple(_turned(line, columns)) for line in lines),
        columns=columns,
        rows=max(len(lines), LEAST_LINES),
        scale=0,
        missing=missing,
        answer_from=answer_from,
    )


def _words(texts: Sequence[str]) -> Iterator[list[int]]:
    """Tokens that belong on one line: up to one that begins with white space, or is wide."""
    word: list[int] = []
    for at, text in enumerate(texts):
        apart = text[:1].isspace() or any(unicodedata.east_asian_width(c) in "WF" for c in text)
        if word and (apart or texts[at - 1][-1:] == "\n" or len(word) > 30):
            yield word
            word = []
        word.append(at)
    if word:
        yield word


def _pieces(text: str, most: int) -> list[str]:
    """A text in pieces that each fit into a line."""
    ends = list(accumulate(width_of(char) for char in text))
    groups: dict[int, str] = {}
    for char, end in zip(text, ends, strict=True):
        line = max(end - 1, 0) // most
        groups[line] = groups.get(line, "") + char
    return list(groups.values())


def _turned(line: Sequence[TextBox], columns: int) -> list[TextBox]:
    """A line of a script that runs to the left begins at the right."""
    kinds = [unicodedata.bidirectional(char) for box in line for char in box.text]
    left = sum(kind in ("R", "AL") for kind in kinds)
    if left <= sum(kind == "L" for kind in kinds):
        return list(line)
    return [replace(box, place=columns - box.place - box.width) for box in line]
