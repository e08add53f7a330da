"""What head maps say beside their cells: the probe, its controls, the masking, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import xarray as xr

from layergram.heads.controls import ACCURACIES
from layergram.heads.making import Headed
from layergram.heads.scoring import LABELS
from layergram.models.edits import named

SHOWN = 5  # top heads named in a sentence


def sentences(found: Headed) -> list[str]:
    """What was found, with what it has to be compared with."""
    told = [_steps(found), _probe(found), _wording(found), _alike(found)]
    if found.causal is not None:
        told += [_masking(found), _own(found)]
    told += [f"There is no map of {name}: {why}." for name, why in found.left_out.items()]
    return [sentence for sentence in told if sentence]


def _steps(found: Headed) -> str:
    steps = found.steps
    counts = ", ".join(f"{name} {count}" for name, count in steps.counts().items())
    groups = len({step.group for step in steps.steps})
    dropped = sum(steps.dropped.values())
    labels = ", ".join(f"'{label}' {count}" for label, count in steps.dropped.items())
    left = f" Left out: {dropped} under other labels ({labels})." if dropped else ""
    tested = int(found.tested.sum())
    split = f" {len(steps) - tested} of them make the maps, {tested} test the masking."
    return (
        f"{len(steps)} steps of {groups} main questions: {counts}.{left}{split if tested else ''}"
    )


def _told(table: xr.Dataset, way: str) -> str:
    row = table.sel(way=way)
    return f"{float(row['accuracy']):.0%} ({float(row['low']):.0%} to {float(row['high']):.0%})"


def _probe(found: Headed) -> str:
    table = found.accuracies
    gains = {way: float(table["gain_low"].sel(way=way)) for way in ("majority", "shuffled")}
    beaten = all(gain > 0 for gain in gains.values())
    return (
        f"A probe of all heads names the function of {_told(table, 'joint')} of the steps of main "
        f"questions that it was not trained on. Always the most frequent one would be right in "
        f"{_told(table, 'majority')}, the probe on shuffled labels in {_told(table, 'shuffled')}: "
        f"it is {'above both' if beaten else 'not clear of both'}."
    )


def _wording(found: Headed) -> str:
    table = found.accuracies
    gain = table.sel(way="words")
    if float(gain["gain_low"]) > 0:
        verdict = "the heads tell more than the words"
    elif float(gain["gain_high"]) < 0:
        verdict = "the words tell more than the heads"
    else:
        verdict = "which of the two tells more is open (the interval has 0 in it)"
    told = (
        f"A classifier that sees nothing but the words of a step is right in "
        f"{_told(table, 'words')}: {verdict}."
    )
    if math.isnan(float(table["accuracy"].sel(way="templates"))):
        return f"{told} The steps name too few templates to hold some of them out."
    fall = table.sel(way="templates")
    if float(fall["gain_low"]) > 0:
        verdict = "there it does worse, with fewer steps to learn from and new wording"
    else:
        verdict = "whether it does worse there is open (the interval has 0 in it)"
    return (
        f"{told} On templates that it was not trained on the probe is right in "
        f"{_told(table, 'templates')}, and the words in {_told(table, 'words_templates')}: "
        f"{verdict}."
    )


def _alike(found: Headed) -> str:
    stable, agreed = found.functions["stability"].values, found.functions["agreement"].values
    return (
        f"Importance ranks the heads alike in different folds with a correlation of "
        f"{_range(stable)}, and as probes of single heads do with one of {_range(agreed)}."
    )


def _range(values: Any) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "nothing (constant)"
    return f"{known.min():.2f} to {known.max():.2f} over the functions"


def _masking(found: Headed) -> str:
    assert found.causal is not None
    cells = found.causal.isel(score=0)
    names = [str(name) for name in cells["masked"].values]
    worse = [n for n in names if float(cells["difference_high"].sel(masked=n)) < 0]
    better = [n for n in names if float(cells["difference_low"].sel(masked=n)) > 0]
    open_ = len(names) - len(worse) - len(better)
    score = LABELS[str(cells["score"].item())]
    told = [
        f"Masking the top heads of a function lowers the {score} of its own steps more than "
        f"masking as many random other heads does in {len(worse)} of {len(names)} functions"
        + (f" ({', '.join(worse)})" if worse else "")
    ]
    if better:
        told.append(f"less in {len(better)} ({', '.join(better)})")
    if open_:
        told.append(f"in {open_} the interval of the difference has 0 in it")
    return "; ".join(told) + "."


def _own(found: Headed) -> str:
    """Whether masking hits the own function most."""
    assert found.causal is not None
    cells = found.causal.isel(score=0)
    change = cells["change"].where(cells["change_high"] < 0, 0.0)
    names = [str(name) for name in change["masked"].values]
    worst = change["function"].values[change.argmin("function").values]
    hit = [
        name
        for name, loses in zip(names, worst, strict=True)
        if str(loses) == name and float(change.sel(masked=name, function=name)) < 0
    ]
    return (
        f"The function that loses most, by an interval below 0, is the one whose heads are masked "
        f"in {len(hit)} of {len(names)} cases"
        + (f" ({', '.join(hit)})" if hit else "")
        + "; by chance it would be in about one."
    )


def table_of_functions(found: Headed) -> str:
    """One row per function, in Markdown: top heads, probes, and what masking them does."""
    header = ["Function", "Top heads", "AUROC of the best head", "Stability", "Agreement"]
    if found.causal is not None:
        header += ["Masked", "Random heads", "Difference"]
    rows = [_row(found, name) for name in found.top]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(found: Headed, name: str) -> list[str]:
    heads = found.top[name]
    more = f" and {len(heads) - SHOWN} more" if len(heads) > SHOWN else ""
    of = found.probes.sel(function=name)
    numbers = found.functions.sel(function=name)
    row = [
        name,
        named(heads[:SHOWN]) + more,
        f"{float(of['chosen_auroc']):.2f} ({float(of['chosen_low']):.2f} to "
        f"{float(of['chosen_high']):.2f})",
        f"{float(numbers['stability']):.2f}",
        f"{float(numbers['agreement']):.2f}",
    ]
    if found.causal is not None:
        cells = found.causal.isel(score=0).sel(masked=name)
        row.append(f"{float(cells['change'].sel(function=name)):+.2f}")
        row.append(f"{float(cells['random']):+.2f}")
        row.append(
            f"{float(cells['difference']):+.2f} ({float(cells['difference_low']):+.2f} to "
            f"{float(cells['difference_high']):+.2f})"
        )
    return row


def section(found: Headed) -> str:
    """Markdown about steps, probes and masking, to stand below the words about importance."""
    notes = [
        "AUROC of the best head: of the head that the training folds choose, on the fold left out. "
        "Stability: rank correlation of importance between folds. Agreement: rank correlation of "
        "importance with the AUROC of single heads."
    ]
    if found.causal is not None:
        score = LABELS[str(found.causal["score"].values[0])]
        notes.append(
            f"Masked: change in {score} of the function's own steps without its top heads. Random "
            "heads: the same without as many others, mean over draws. Difference: the first less "
            "the second, with a 95 % interval."
        )
    ways = [
        f"| {ACCURACIES[str(way)]} | {_told(found.accuracies, str(way))} |"
        for way in found.accuracies["way"].values
        if not math.isnan(float(found.accuracies["accuracy"].sel(way=way)))
    ]
    return "\n".join(
        [
            "## Steps, Probes, Masking",
            "",
            *(f"- {sentence}" for sentence in sentences(found)),
            "",
            table_of_functions(found),
            "",
            *notes,
            "",
            "| The function of a step is named by | right in (95 % interval) |",
            "| --- | --- |",
            *ways,
            "",
        ]
    )


def summary(found: Headed) -> dict[str, Any]:
    """The numbers as plain data."""
    counts = Counter(step.function for step in found.steps.steps)
    functions = {}
    for name, heads in found.top.items():
        functions[name] = {
            "steps": counts[name],
            "top_heads": [list(head) for head in heads],
            "best_auroc": _plain(found.probes["chosen_auroc"].sel(function=name)),
            "stability": _plain(found.functions["stability"].sel(function=name)),
            "agreement": _plain(found.functions["agreement"].sel(function=name)),
        }
        if found.causal is not None:
            cells = found.causal.isel(score=0).sel(masked=name)
            functions[name]["masked"] = {
                key: _plain(cells[key]) for key in ("difference", "difference_low")
            } | {"difference_high": _plain(cells["difference_high"])}
    return {
        "steps": len(found.steps),
        "dropped": dict(found.steps.dropped),
        "tested": int(found.tested.sum()),
        "functions": functions,
        "accuracy": {
            str(way): {key: _plain(found.accuracies[key].sel(way=way)) for key in _NUMBERS}
            for way in found.accuracies["way"].values
        },
        "findings": sentences(found),
    }


_NUMBERS = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")


def _plain(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else round(number, 4)
