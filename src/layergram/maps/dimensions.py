"""The axes that a map may have: one record each, which pictures, words and tables read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import xarray as xr


@dataclass(frozen=True)
class Dimension:
    """What one axis of a map is called, and how it is shown.

    Args:
        name: its name in maps and files.
        noun: what one of its labels is called in a sentence.
        plural: what several are called.
        axis_label: what stands along the axis in a picture.
        description: what a label stands for.
        across: rank for the axis that runs across a picture; the lowest rank does.
        down: rank among the others for the axis that runs down.
        kind: what its labels are: ``"numbers"``; ``"names"``, which are text; or ``"positions"``
            of pieces of a text, from 0, with their texts in the coordinate ``<name>_text``.
        ordered: whether the order of the labels means something; heads, examples and folds are
            only numbered.
        joined: whether a map of this axis alone is a line; otherwise it is bars.
        bare: whether a sentence names its labels without the noun before them.
        square: whether its cells are drawn as squares, and a diagonal of them means something.
        layers: where layers begin when this axis runs across.
    """

    name: str
    noun: str
    plural: str
    axis_label: str
    description: str
    across: int
    down: int
    kind: Literal["numbers", "names", "positions"]
    ordered: bool = False
    joined: bool = False
    bare: bool = False
    square: bool = False
    layers: Literal["bottom", "top"] = "top"


_RECORDS = (
    Dimension(
        "layer", "layer", "layers", "Layer",
        "Layer, 1 to L from the input upwards; 0 is the embedding",
        across=15, down=1, kind="numbers", ordered=True, joined=True,
    ),
    Dimension(
        "token", "token", "tokens", "Token",
        "Token, by its position in the sequence, from 0",
        across=1, down=13, kind="positions", ordered=True, layers="bottom",
    ),
    Dimension(
        "segment", "segment", "segments", "Segment",
        "Segment of the text, such as a sentence or a step, by its position",
        across=2, down=11, kind="positions", ordered=True, layers="bottom",
    ),
    Dimension(
        "role", "role", "roles", "Token",
        "Token role: what a token is to the question and its answer",
        across=3, down=12, kind="names", ordered=True, bare=True,
    ),
    Dimension(
        "head", "head", "heads", "Head",
        "Attention head of its layer, from 0",
        across=5, down=3, kind="numbers", square=True, layers="bottom",
    ),
    Dimension(
        "function", "function", "functions", "Function",
        "Cognitive function of the steps, such as Retrieval",
        across=12, down=5, kind="names", bare=True,
    ),
    Dimension(
        "query", "query", "queries", "Query token",
        "Token that attends, by its position",
        across=6, down=2, kind="positions", ordered=True, joined=True,
    ),
    Dimension(
        "key", "key", "keys", "Key token",
        "Token that is attended to, by its position",
        across=4, down=14, kind="positions", ordered=True, joined=True, square=True,
    ),
    Dimension(
        "example", "example", "examples", "Example",
        "Example: one question with its answer",
        across=7, down=4, kind="numbers",
    ),
    Dimension(
        "fold", "fold", "folds", "Fold",
        "Cross-validation fold",
        across=8, down=6, kind="numbers",
    ),
    Dimension(
        "model", "model", "models", "Model",
        "Model, by its name",
        across=9, down=7, kind="names", bare=True,
    ),
    Dimension(
        "train", "training set", "training sets", "Trained on",
        "Question set that a probe was trained on",
        across=11, down=8, kind="names",
    ),
    Dimension(
        "test", "test set", "test sets", "Tested on",
        "Question set that it was tested on",
        across=10, down=9, kind="names",
    ),
    Dimension(
        "masked", "masked function", "masked functions", "Top heads masked",
        "Function whose top heads were masked",
        across=13, down=10, kind="names",
    ),
    Dimension(
        "measure", "measure", "measures", "Measure",
        "What was measured, where a table has several measures side by side",
        across=14, down=15, kind="names", bare=True,
    ),
    Dimension(
        "dose", "number of heads", "numbers of heads", "Top heads masked",
        "How many of the top heads were masked",
        across=0, down=16, kind="numbers", ordered=True, joined=True,
    ),
    Dimension(
        "bin", "bin", "bins", "Bin of answers, lowest scores first",
        "Bin of equally many answers, from 1, the one with the lowest scores",
        across=16, down=17, kind="numbers", ordered=True, joined=True,
    ),
)  # fmt: skip

DIMENSIONS: dict[str, Dimension] = {record.name: record for record in _RECORDS}

PLURALS = {record.plural: record.name for record in _RECORDS}

SCORED_FUNCTION = replace(
    DIMENSIONS["function"],
    noun="scored function",
    plural="scored functions",
    axis_label="Steps scored",
    description="Function of the steps that were scored",
    bare=False,
)
"""What ``function`` is beside ``masked``."""

ALIASES = {"panel": "function"}
"""Names that axes had in older files."""

SYNONYMS = {
    **ALIASES,
    "block": "layer",
    "position": "token",
    "pos": "token",
    "metric": "measure",
}
QUALIFIERS = frozenset(
    (
        *("i", "th", "idx", "index", "indice", "id", "no", "nr", "num", "number", "name", "label"),
        *("position", "pos", "attention", "attn", "hidden", "transformer"),
    )
)
"""Words that may stand beside the name of an axis without changing which one it is."""


def axis_named(text: str) -> str:
    """The axis that a header, a key or a dimension of someone else's file names; ``""`` for none.

    Capitals, plurals, spaces, remarks in brackets and words like ``index`` make no difference. A
    number does: ``Layer 1`` is a label.

    Example:
        >>> [axis_named(text) for text in ("Layer ", "layer_idx", "layer (test set)", "i-th Layer")]
        ['layer', 'layer', 'layer', 'layer']
        >>> [axis_named(text) for text in ("token_id", "layer_norm", "Unnamed: 0", "queries")]
        ['', '', '', 'query']
    """
    text = re.sub(r"[(\[{].*?[)\]}]", "", text)
    if re.search(r"\d", text):
        return ""
    words = [word for word in (_singular(w) for w in split_words(text)) if word]
    rest = [word for word in words if word not in QUALIFIERS] or words
    if len(rest) != 1 or (rest == ["token"] and "id" in words):
        return ""
    name = SYNONYMS.get(rest[0], rest[0])
    return name if name in DIMENSIONS else ""


def split_words(text: str) -> list[str]:
    """The words of a name in small letters: ``probeAUC_val`` is probe, auc, val."""
    return re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def _singular(word: str) -> str:
    return PLURALS.get(word, word.removesuffix("s"))


def dimension_of(array: xr.DataArray, name: str) -> Dimension:
    """The record of an axis of a map, which may depend on the map's other axes."""
    if name == "function" and "masked" in array.coords:
        return SCORED_FUNCTION
    joined = str(array.attrs.get("joined_by", ""))
    if name == "token" and joined:
        return replace(
            DIMENSIONS[name], noun=joined, plural=f"{joined}s", axis_label=joined.capitalize()
        )
    return DIMENSIONS[name]


def under_new_names(array: xr.DataArray) -> xr.DataArray:
    """A map whose axes have the names of today, from one of any age or of another program."""
    there = set(map(str, array.dims))
    found = {dim: axis_named(dim) for dim in there - set(DIMENSIONS)}
    taken = [*there, *found.values()]
    old = {o: n for o, n in found.items() if n and taken.count(n) == 1}
    return array.rename(old) if old else array


def layout(dims: Sequence[str]) -> tuple[tuple[str, ...], str, str]:
    """Which axes of a map are panels, which runs down and which across.

    Args:
        dims: one axis or more.

    Returns:
        The axes with a panel per label, in the order of the map; the axis that runs down,
        ``""`` for a map of one axis; the axis that runs across.

    Example:
        >>> layout(["layer", "head", "token"]), layout(["layer"])
        ((('head',), 'layer', 'token'), ((), '', 'layer'))
    """
    across = min(dims, key=lambda dim: DIMENSIONS[dim].across)
    rest = [dim for dim in dims if dim != across]
    down = min(rest, key=lambda dim: DIMENSIONS[dim].down, default="")
    return tuple(dim for dim in rest if dim != down), down, across
