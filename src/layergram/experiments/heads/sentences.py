"""What head maps say in sentences: the steps, the probe and its controls, importance, masking."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from layergram.experiments.heads.controls import ACCURACIES
from layergram.experiments.heads.options import SPLITS
from layergram.experiments.heads.pipeline import HeadAnalysis
from layergram.experiments.result import markdown_table
from layergram.interventions.scoring import LABELS
from layergram.models.edits import named

ALPHA = 0.05
SHOWN = 5  # top heads named in a cell


def sentences(analysis: HeadAnalysis) -> list[str]:
    """What was found, with what it has to be compared with."""
    lines = [
        _steps(analysis),
        _probe(analysis),
        _wording(analysis),
        _alike(analysis),
        _top(analysis),
        *_masking(analysis),
    ]
    lines += [f"There is no map of {name}: {why}." for name, why in analysis.unsupported.items()]
    return [sentence for sentence in lines if sentence]


def _steps(analysis: HeadAnalysis) -> str:
    steps = analysis.steps
    counts = ", ".join(f"{name} {count}" for name, count in steps.counts().items())
    groups = len({step.group for step in steps.steps})
    dropped = sum(steps.dropped.values())
    labels = ", ".join(f"'{label}' {count}" for label, count in steps.dropped.items())
    left = f" Left out: {dropped} under other labels ({labels})." if dropped else ""
    tested = int(analysis.split.tested.sum())
    by = " of other templates" if analysis.split.by == "templates" else ""
    split = f" {len(steps) - tested} of them make the maps, {tested}{by} test the masking."
    return (
        f"{len(steps)} steps of {groups} main questions: {counts}.{left}{split if tested else ''}"
    )


def share(table: xr.Dataset, way: str) -> str:
    """The accuracy of a way to name functions, with its interval."""
    row = table.sel(way=way)
    return f"{float(row['accuracy']):.0%} ({float(row['low']):.0%} to {float(row['high']):.0%})"


def _probe(analysis: HeadAnalysis) -> str:
    table = analysis.probing.accuracies
    gains = {way: float(table["gain_low"].sel(way=way)) for way in ("majority", "shuffled")}
    beaten = all(gain > 0 for gain in gains.values())
    return (
        f"A probe of all heads names the function of {share(table, 'joint')} of the steps of "
        f"{SPLITS[analysis.split.by]}. Always the most frequent one would be right "
        f"in {share(table, 'majority')}, the probe on shuffled labels in "
        f"{share(table, 'shuffled')}: it is {'above both' if beaten else 'not clear of both'}."
    )


def _wording(analysis: HeadAnalysis) -> str:
    table = analysis.probing.accuracies
    gain = table.sel(way="all_words")
    if float(gain["gain_low"]) > 0:
        verdict = "the heads tell more than the words"
    elif float(gain["gain_high"]) < 0:
        verdict = "the words tell more than the heads"
    else:
        verdict = "which of heads and words tells more is open (the interval has 0 in it)"
    words = (
        f"On the same steps a classifier that sees nothing but the words of a step is right in "
        f"{share(table, 'words')}, and one that sees those of its passage too in "
        f"{share(table, 'all_words')}: {verdict}."
    )
    if analysis.split.by == "templates":
        return words
    if math.isnan(float(table["accuracy"].sel(way="templates"))):
        return f"{words} The steps name too few templates to hold some of them out."
    fall = table.sel(way="templates")
    if float(fall["gain_low"]) > 0:
        verdict = "there it does worse, with fewer steps to learn from and new wording"
    else:
        verdict = "whether it does worse there is open (the interval has 0 in it)"
    return (
        f"{words} On templates that it was not trained on the probe is right in "
        f"{share(table, 'templates')}, and the words in {share(table, 'words_templates')}: "
        f"{verdict}."
    )


def _alike(analysis: HeadAnalysis) -> str:
    numbers = analysis.probing.functions
    stable, agreed = numbers["stability"].values, numbers["agreement"].values
    return (
        f"Importance ranks the heads alike in different folds with a correlation of "
        f"{_range(stable)}, and as probes of single heads do with one of {_range(agreed)}."
    )


def _range(values: Any) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "nothing (constant)"
    return f"{known.min():.2f} to {known.max():.2f} over the functions"


def _top(analysis: HeadAnalysis) -> str:
    """How many heads importance tells from chance, and which functions have no top heads."""
    probing = analysis.probing
    counts = (probing.importance["p_value"] <= ALPHA).sum(("layer", "head"))
    most, all_ = int(counts.sum()), int(probing.importance.notnull().sum())
    text = (
        f"The importance of {most} of {all_} pairs of a head and a function is above the largest "
        "of 20 probes on shuffled labels; without any effect the chance of even one is 1 in 21."
    )
    by_reason: dict[str, list[str]] = {}
    for name, why in probing.without_top.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        whose = "any function" if len(names) == counts.size else ", ".join(names)
        text += f" There are no top heads of {whose}: {why}."
    return text


def _masking(analysis: HeadAnalysis) -> list[str]:
    """One sentence for all functions, and one for each that is hurt more than by random heads."""
    causal = analysis.causal
    if causal is None:
        asked = analysis.split.tested.any() and not analysis.probing.top
        return ["Nothing was masked: no function has top heads."] if asked else []
    cells = causal.isel(score=0)
    names = [str(name) for name in cells["masked"].values]
    score, draws = LABELS[str(cells["score"].item())], cells.sizes["draw"]
    lines = [
        f"Masking the top heads of {name} hurts its own steps, beyond what it does to the "
        f"others, more than {draws - int(cells['as_bad'].sel(masked=name))} of {draws} random sets "
        f"of heads of the same layers (p = {_p(cells['p'].sel(masked=name))}, over all functions "
        f"{_p(cells['p_family'].sel(masked=name))}): their {score} changes by "
        f"{float(cells['change'].sel(masked=name, function=name)):+.2f} nat per token, by "
        f"{float(cells['random'].sel(masked=name, function=name)):+.2f} with random heads."
        for name in names
        if float(cells["p"].sel(masked=name)) <= ALPHA
    ]
    held = [n for n in names if float(cells["p_family"].sel(masked=n)) <= ALPHA]
    tested = f"{len(names)} function{'s' if len(names) > 1 else ''} with top heads"
    if held:
        verdict = (
            f"Of {tested}, masking tells {len(held)} from random heads, with at most 5 % chance of "
            f"any false one: {', '.join(held)}."
        )
    elif 1 + draws < 1 / ALPHA:
        verdict = f"{draws} random sets are too few to tell anything at 5 %."
    else:
        verdict = (
            f"Masking tells none of {tested} from random heads of the same layers: that these "
            "heads do what their function needs is not shown."
        )
    return [*lines, verdict]


def _p(value: xr.DataArray) -> str:
    return f"{float(value):.3f}"


def table_of_functions(analysis: HeadAnalysis) -> str:
    """One row per function, in Markdown: top heads, probes, and what masking them does."""
    header = ["Function", "Top heads", "AUROC of the best head", "Stability", "Agreement"]
    if analysis.causal is not None:
        header += ["Masked", "Random heads", "Difference", "p", "p over all"]
    rows = [_row(analysis, str(name)) for name in analysis.probing.functions["function"].values]
    return "\n".join(markdown_table(header, rows))


def _row(analysis: HeadAnalysis, name: str) -> list[str]:
    heads = analysis.probing.top.get(name, [])
    more = f" and {len(heads) - SHOWN} more" if len(heads) > SHOWN else ""
    of = analysis.probing.probes.sel(function=name)
    numbers = analysis.probing.functions.sel(function=name)
    row = [
        name,
        named(heads[:SHOWN]) + more if heads else "none",
        f"{float(of['chosen_auroc']):.2f} ({float(of['chosen_low']):.2f} to "
        f"{float(of['chosen_high']):.2f})",
        f"{float(numbers['stability']):.2f}",
        f"{float(numbers['agreement']):.2f}",
    ]
    if analysis.causal is None:
        return row
    if name not in analysis.causal["masked"].values:
        return [*row, *["–"] * 5]
    cells = analysis.causal.isel(score=0).sel(masked=name)
    own = cells.sel(function=name)
    row.append(f"{float(own['change']):+.2f}")
    row.append(f"{float(own['random']):+.2f}")
    row.append(
        f"{float(own['difference']):+.2f} ({float(own['difference_low']):+.2f} to "
        f"{float(own['difference_high']):+.2f})"
    )
    row += [_p(cells["p"]), _p(cells["p_family"])]
    return row


def section(analysis: HeadAnalysis) -> str:
    """Markdown about steps, probes and masking, to stand below the words about importance."""
    notes = [
        "AUROC of the best head: of the head that the training folds choose, on the fold left out. "
        "Stability: rank correlation of importance between folds. Agreement: rank correlation of "
        "importance with the AUROC of single heads."
    ]
    if analysis.causal is not None:
        score = LABELS[str(analysis.causal["score"].values[0])]
        notes.append(
            f"Masked: change in {score} of the function's own steps without its top heads. Random "
            "heads: the same with as many heads of the same layers, alike in norm, mean over sets. "
            "Difference: the first less the second, with a 95 % interval that "
            "holds for one random set. p: rank of the own heads among the random sets, by the "
            "effect on the own steps beyond that on the others; over all: the same for the worst "
            "function."
        )
    ways = [
        [ACCURACIES[str(way)], share(analysis.probing.accuracies, str(way))]
        for way in analysis.probing.accuracies["way"].values
        if not math.isnan(float(analysis.probing.accuracies["accuracy"].sel(way=way)))
    ]
    return "\n".join(
        [
            "## Steps, Probes, Masking",
            "",
            *(f"- {sentence}" for sentence in sentences(analysis)),
            "",
            table_of_functions(analysis),
            "",
            *notes,
            "",
            *markdown_table(
                ["The function of a step is named by", "right in (95 % interval)"], ways
            ),
            "",
        ]
    )
