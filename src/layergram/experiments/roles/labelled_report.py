"""What a role map of labelled texts says beside its cells, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram.datasets.labelled import LabelledSet
from layergram.experiments.result import markdown_table, rounded
from layergram.experiments.roles.below_chance import below_chance
from layergram.probes import map_of

WORDS = "words"
ABOUT_WORDS = "words and pairs of words of the text, without a model"


def comparison_table(evaluation: xr.Dataset, found: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """The probe, its controls and the words of the texts, on the same folds."""
    lines = [
        {
            "kind": "probe",
            "name": "chosen_cell",
            "about": "layer and role chosen by the other folds",
            **{key: float(evaluation[f"nested_{key}"]) for key in ("auroc", "low", "high")},
        }
    ]
    words = evaluation.sel(baseline=WORDS)
    numbers = {key: float(words[f"baseline_{key}"]) for key in ("auroc", "low", "high")}
    gains = {key: float(words[key]) for key in ("gain", "gain_low", "gain_high")}
    lines.append({"kind": "control", "name": WORDS, "about": ABOUT_WORDS, **numbers, **gains})
    highest = [("best_cell", "probe", "highest cell: {}", found["auroc"])]
    if 0 in found["auroc"]["layer"].values:
        embedding = found["auroc"].sel(layer=[0])
        highest.append(("embedding", "control", "highest cell of the embedding: {}", embedding))
    if "auroc_random_weights" in found:
        about = "highest cell with random weights: {}"
        highest.append(("random_weights", "control", about, found["auroc_random_weights"]))
    shuffled = map_of(evaluation, "auroc_shuffled")
    highest.append(("shuffled", "control", "highest cell with labels shuffled: {}", shuffled))
    for name, kind, about, array in highest:
        cell = array[np.unravel_index(int(np.nanargmax(array.values)), array.shape)]
        where = f"layer {int(cell['layer'])}, {cell['role'].item()}"
        lines.append(
            {"kind": kind, "name": name, "about": about.format(where), "auroc": float(cell)}
        )
    return pd.DataFrame(lines)


def sentences_of(
    texts: LabelledSet,
    evaluation: xr.Dataset,
    table: pd.DataFrame,
    telling: tuple[str, float, float],
) -> list[str]:
    """What was found, with what it has to be compared with."""
    negative, positive = texts.labels
    count, groups = sum(texts.positive), len({text.group for text in texts.texts})
    by_name = table.set_index("name")
    chosen, words, best = (by_name.loc[name] for name in ("chosen_cell", WORDS, "best_cell"))
    clear = words["gain_low"] > 0
    found = [
        f"A linear probe tells '{positive}' from '{negative}' with an AUROC of {_text(chosen)}; "
        "its layer and role were chosen on other texts than those that it is tested on.",
        f"The words alone, without a model, reach {_text(words)}. The probe gains "
        f"{words['gain']:+.2f} ({words['gain_low']:+.2f} to {words['gain_high']:+.2f}) over them"
        + (
            "."
            if clear
            else ", which is not clear of 0: the labels can be read from the words as well."
        ),
        f"The word that tells most is '{telling[0]}': it is in {telling[2]:.0%} of the texts "
        f"labelled '{positive}' and in {telling[1]:.0%} of those labelled '{negative}'.",
        f"The {best['about']}, with {best['auroc']:.2f}; the highest of "
        f"{int(evaluation['auroc'].notnull().sum())} cells is too high by chance.",
        f"{len(texts)} texts in {groups} groups make the map: {len(texts) - count} labelled "
        f"'{negative}', {count} labelled '{positive}'.",
    ]
    if "p_map" in evaluation:
        p = float(evaluation["p_map"])
        chance = f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"
        said = "No cell differs from chance" if p > 0.05 else "Some cell differs from chance"
        found.append(f"{said}: in a map without effect one this strong anywhere has {chance}.")
    found.append(below_chance(evaluation["auroc"]))
    found += [f"About the set: {warning}." for warning in texts.warnings]
    return [sentence for sentence in found if sentence]


def _text(line: pd.Series) -> str:
    return f"{line['auroc']:.2f} ({line['low']:.2f} to {line['high']:.2f})"


def section(sentences: Sequence[str], table: pd.DataFrame) -> str:
    """Markdown about texts and controls, to stand below the words about the map."""
    cells = [
        [
            row["kind"],
            row["about"],
            _text(row) if row["low"] == row["low"] else f"{row['auroc']:.2f}",
        ]
        for _, row in table.iterrows()
    ]
    return "\n".join(
        [
            "## Texts, Controls",
            "",
            *(f"- {sentence}" for sentence in sentences),
            "",
            *markdown_table(["Kind", "What", "AUROC (95 % interval)"], cells),
            "",
        ]
    )


def summary(
    texts: LabelledSet, evaluation: xr.Dataset, table: pd.DataFrame, sentences: Sequence[str]
) -> dict[str, Any]:
    """The numbers of a role map of labelled texts as plain data."""
    positive = sum(texts.positive)
    numbers = ("auroc", "low", "high", "gain", "gain_low", "gain_high")
    return {
        "labelled": texts.name,
        "labels": {texts.labels[0]: len(texts) - positive, texts.labels[1]: positive},
        "groups": len({text.group for text in texts.texts}),
        "nested_auroc": float(evaluation["nested_auroc"]),
        "best": {
            "layer": int(evaluation["best_layer"]),
            "role": str(evaluation["best_role"].item()),
            "auroc": float(evaluation["auroc"].max()),
        },
        **({"p_map": float(evaluation["p_map"])} if "p_map" in evaluation else {}),
        "findings": list(sentences),
        "warnings": list(texts.warnings),
        "compared": {
            row["name"]: {"kind": row["kind"]} | {key: rounded(row[key]) for key in numbers}
            for _, row in table.iterrows()
        },
    }
