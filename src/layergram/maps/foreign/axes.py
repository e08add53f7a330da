"""Axes from the cells of a table: which axis a header names, and what its labels are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from layergram.errors import LayergramError
from layergram.maps.dimensions import DIMENSIONS, axis_named, split_words
from layergram.maps.vocabulary import ROLES

HEAD_NAME = re.compile(r"(?:head|h)[\s_.-]*\d+", re.IGNORECASE)
BETWEEN_AXES = re.compile(r"[/\\|,×]| (?:by|vs\.?|x) ", re.IGNORECASE)
SPREADS = frozenset(("std", "stdev", "stddev", "sd", "se", "sem", "stderr", "var", "ci", "err"))
METRICS = SPREADS | frozenset(
    (
        *("accuracy", "acc", "auc", "auroc", "auprc", "roc", "f1", "precision", "recall", "mcc"),
        *("specificity", "sensitivity", "selectivity", "kappa", "ece", "brier", "score", "metric"),
        *(
            "loss",
            "error",
            "mse",
            "mae",
            "rmse",
            "r2",
            "r²",
            "perplexity",
            "ppl",
            "likelihood",
            "nll",
        ),
        *("correlation", "corr", "pearson", "spearman", "kendall", "similarity", "cosine", "cka"),
        *("entropy", "kl", "divergence", "mdl", "probability", "prob", "logit", "logits", "norm"),
        *("bleu", "rouge", "hits", "mrr", "rank", "rate", "mean", "average", "median", "variance"),
    )
)
"""Words of which at least one is in the name of a metric."""
BESIDE = frozenset(
    (
        *("train", "test", "val", "dev", "valid", "validation"),
        *("n", "count", "support", "total", "sum", "min", "max", "minimum", "maximum"),
        *("baseline", "probe", "control", "random", "majority", "chance"),
    )
)
"""Names that columns of metrics have besides."""


def axes_named(cell: str) -> list[str]:
    """The axes that the corner cell of a table names, rows first, whatever remark stands there too.

    Example:
        >>> axes_named("Layer / Token"), axes_named("i-th Layer"), axes_named("Unnamed: 0")
        (['layer', 'token'], ['layer'], [])
        >>> axes_named("layer (test set)"), axes_named("Layers of the model")
        (['layer'], ['layer'])
    """
    whole = axis_named(cell)
    if whole:
        return [whole]
    named = [axis_named(part) for part in BETWEEN_AXES.split(cell)]
    if len(named) == 2 and all(named):
        return named
    words = [axis_named(word) for word in re.findall(r"[^\W\d_]+", cell)]
    return ["layer"] if "layer" in words else [word for word in words if word][:1]


def axis_of_columns(cells: Sequence[str]) -> str:
    """The axis that a header without a named axis stands for.

    Role names stand for ``role``; ``h0``, ``head 3`` or the bare numbers 0, 1, 2, … in order for
    ``head``; names of metrics for ``measure``; everything else is the text of tokens.

    Example:
        >>> axis_of_columns(["last_q", "-1"]), axis_of_columns(["0", "1"]), axis_of_columns(["8"])
        ('role', 'head', 'token')
        >>> axis_of_columns(["probe_accuracy", "probe_auc"]), axis_of_columns(["the", "mean"])
        ('measure', 'token')
    """
    names = [cell.strip() for cell in cells]
    if set(names) <= set(ROLES):
        return "role"
    if (_counted(names) and len(names) > 1) or all(map(HEAD_NAME.fullmatch, names)):
        return "head"
    return "measure" if are_metrics(names) else "token"


def are_metrics(names: Sequence[str]) -> bool:
    """Whether all names are those of metrics, by their words or as what stands beside metrics.

    Example:
        >>> are_metrics(["train_acc", "test_acc"]), are_metrics(["acc", "probe_control"])
        (True, True)
        >>> are_metrics(["train", "test"]), are_metrics(["is", "accuracy"]), are_metrics(["a_b"])
        (True, False, False)
    """
    beside = sure = 0
    for name in names:
        if METRICS & set(_metric_words(name)):
            sure += 1
        elif name.strip().lower() in BESIDE:
            beside += 1
        elif not re.fullmatch(r"[^\W\d_]+[_./@-]\w+", name.strip()):
            return False
    return sure > 0 or (beside > 1 and beside == len(names))


def _metric_words(name: str) -> list[str]:
    words = split_words(name)
    return [*words, *("".join(pair) for pair in pairwise(words))]


def _counted(cells: Sequence[str]) -> bool:
    return list(cells) == [str(at) for at in range(len(cells))]


def labels_of(dim: str, cells: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """The labels of an axis from the cells of a table, and the coordinates that come with them.

    Tokens become positions, and their texts the coordinate ``token_text``; roles, functions and
    models stay text; layers, heads and the others are numbers, which may carry their name
    (``Layer 3``).

    Raises:
        LayergramError: for a label that should have been a number.
    """
    kind = DIMENSIONS[dim].kind
    if kind == "names":
        return [cell.strip() for cell in cells], {}
    if kind == "positions":
        positions = list(range(len(cells)))
        return positions, {} if _counted(cells) else {f"{dim}_text": (dim, list(cells))}
    return [_number_of(dim, cell) for cell in cells], {}


def _number_of(dim: str, cell: str) -> int:
    """A label as a number: a minus belongs to it unless it joins it to its name.

    ``-3`` and ``layer_-3`` are −3, ``layer-3`` is 3. Names of modules (``model.layers.3.mlp``) are
    the layers in them.
    """
    text = re.sub(r"\(.*?\)", "", cell).strip().replace("−", "-")
    name = rf"(?:(?:{dim}|{dim[0]}|block)(?:-(?=\d)|[\s_.]*))?(-?\d+)(?:\.0*)?"
    found = re.fullmatch(name, text, re.IGNORECASE)
    if not found and dim == "layer":
        found = re.fullmatch(r"(?:.*\W)?(?:layers?|blocks|h)\.(\d+)(?:\.\D.*)?", text)
    if not found:
        raise LayergramError(
            f"the {DIMENSIONS[dim].plural} of a table",
            got=f"{cell.strip()!r}" if cell.strip() else "an empty cell",
            allowed=f"numbers, such as 3 or {dim} 3",
            do=f"number every {dim}, or let the first cell of the header name the axes of rows "
            "and columns, such as layer/token",
        )
    return int(found[1])


def in_text_order(cells: Sequence[str], labels: Sequence[Any]) -> bool:
    """Whether numbers stand in the order of their texts (0, 1, 10, 11, 2), which nobody means.

    Example:
        >>> in_text_order(["1", "10", "2"], [1, 10, 2]), in_text_order(["3", "1"], [3, 1])
        (True, False)
    """
    numbers, texts = list(labels), list(cells)
    if not all(isinstance(number, int) for number in numbers):
        return False
    rising, falling = sorted(numbers), sorted(numbers, reverse=True)
    by_text = texts in (sorted(texts), sorted(texts, reverse=True))
    return by_text and numbers not in (rising, falling)
