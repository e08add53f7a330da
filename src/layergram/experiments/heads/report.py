"""What head maps say beside their cells: the probe, its controls, the masking, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram.experiments.heads.controls import ACCURACIES
from layergram.experiments.heads.pipeline import HeadAnalysis
from layergram.experiments.result import Result, markdown_table, rounded
from layergram.figures import Style
from layergram.interventions.effects import causal_matrix
from layergram.interventions.scoring import LABELS
from layergram.models.edits import named
from layergram.models.model import Model

SHOWN = 5  # top heads named in a sentence
GRID = Style(columns=4, significance="none")
CLIPPED = 99  # percentile of the cells whose colour those above it share


@dataclass(frozen=True, kw_only=True)
class HeadMapResult(Result):
    """Head maps, what they are compared with, and the analysis that they come from.

    Attributes:
        analysis: outputs of heads read as probes, importance and masking read them.
    """

    analysis: HeadAnalysis


def report(analysis: HeadAnalysis, model: Model) -> HeadMapResult:
    """The analysis as maps, tables, sentences and a summary."""
    maps = {
        "importance": analysis.importance,
        "contribution": analysis.contribution,
        "head_auroc": analysis.auroc,
    }
    styles = {"importance": _clipped(analysis.importance), "contribution": GRID, "head_auroc": GRID}
    tables = {"top_heads": _top_heads(analysis)}
    if analysis.causal is not None:
        for score in analysis.causal["score"].values[:2]:
            matrix = causal_matrix(analysis.causal, score=str(score))
            maps[str(matrix.name)] = matrix
        tables["masking"] = _masking_table(analysis.causal)
    others = [] if analysis.sweep is None else [analysis.sweep]
    for array in (*others, *analysis.unlabelled.values()):
        maps[str(array.name)] = array
        styles[str(array.name)] = Style(significance="none")
    return HeadMapResult(
        title=f"{model.name} on {analysis.steps.name}: {len(analysis.steps)} steps",
        maps=maps,
        tables=tables,
        sentences=sentences(analysis),
        summary=summary(analysis),
        records={"steps": _records(analysis)},
        section=section(analysis),
        styles=styles,
        analysis=analysis,
    )


def _clipped(importance: xr.DataArray) -> Style:
    """One scale for all panels from 0 on; the highest 1 % of the cells share its top colour."""
    top = float(f"{np.nanpercentile(importance.values, CLIPPED):.2g}")
    return replace(GRID, limits=(0.0, top)) if top > 0 else GRID


def _top_heads(analysis: HeadAnalysis) -> pd.DataFrame:
    """The top heads of every function, the most important first."""
    rows = []
    for name, heads in analysis.top.items():
        for rank, (layer, head) in enumerate(heads, start=1):
            cell = {"layer": layer, "head": head, "function": name}
            auroc = analysis.auroc.sel(cell)
            rows.append(
                {
                    "function": name,
                    "rank": rank,
                    "layer": layer,
                    "head": head,
                    "importance": float(analysis.importance.sel(cell)),
                    "contribution": float(analysis.contribution.sel(cell)),
                    "auroc": float(auroc),
                    "auroc_low": float(auroc["low"]),
                    "auroc_high": float(auroc["high"]),
                }
            )
    return pd.DataFrame(rows)


def _masking_table(causal: xr.Dataset) -> pd.DataFrame:
    """What masking did, one row per score, masked function and scored function."""
    numbers = [f"change{end}" for end in ENDS]
    beside = [f"{name}{end}" for name in ("random", "difference") for end in ENDS]
    rows = []
    for score in causal["score"].values:
        for masked in causal["masked"].values:
            cells = causal.sel(score=score, masked=masked)
            for function in causal["function"].values:
                row: dict[str, Any] = {
                    "score": str(score),
                    "masked": str(masked),
                    "heads": int(cells["heads"]),
                    "function": str(function),
                }
                row |= {name: float(cells[name].sel(function=function)) for name in numbers}
                own = function == masked  # random heads are compared with on these steps alone
                row |= {name: float(cells[name]) if own else math.nan for name in beside}
                rows.append(row)
    return pd.DataFrame(rows)


ENDS = ("", "_low", "_high")


def _records(analysis: HeadAnalysis) -> list[dict[str, Any]]:
    """Every step with what was done with it."""
    predicted = iter(analysis.predicted)
    spans = {span.step: span for one in analysis.sequences for span in one.spans}
    return [
        {
            "id": step.id,
            "group": step.group,
            "template": step.template,
            "function": step.function,
            "question": step.question,
            "step": step.step,
            "answer": step.answer,
            "tokens": [spans[at].first, spans[at].last],
            "content": list(spans[at].content),
            "use": "test" if analysis.tested[at] else "map",
            "predicted": None if analysis.tested[at] else next(predicted),
        }
        for at, step in enumerate(analysis.steps.steps)
    ]


def sentences(analysis: HeadAnalysis) -> list[str]:
    """What was found, with what it has to be compared with."""
    lines = [_steps(analysis), _probe(analysis), _wording(analysis), _alike(analysis)]
    if analysis.causal is not None:
        lines += [_masking(analysis), _own(analysis)]
    lines += [f"There is no map of {name}: {why}." for name, why in analysis.unsupported.items()]
    return [sentence for sentence in lines if sentence]


def _steps(analysis: HeadAnalysis) -> str:
    steps = analysis.steps
    counts = ", ".join(f"{name} {count}" for name, count in steps.counts().items())
    groups = len({step.group for step in steps.steps})
    dropped = sum(steps.dropped.values())
    labels = ", ".join(f"'{label}' {count}" for label, count in steps.dropped.items())
    left = f" Left out: {dropped} under other labels ({labels})." if dropped else ""
    tested = int(analysis.tested.sum())
    split = f" {len(steps) - tested} of them make the maps, {tested} test the masking."
    return (
        f"{len(steps)} steps of {groups} main questions: {counts}.{left}{split if tested else ''}"
    )


def _share(table: xr.Dataset, way: str) -> str:
    row = table.sel(way=way)
    return f"{float(row['accuracy']):.0%} ({float(row['low']):.0%} to {float(row['high']):.0%})"


def _probe(analysis: HeadAnalysis) -> str:
    table = analysis.accuracies
    gains = {way: float(table["gain_low"].sel(way=way)) for way in ("majority", "shuffled")}
    beaten = all(gain > 0 for gain in gains.values())
    return (
        f"A probe of all heads names the function of {_share(table, 'joint')} of the steps of "
        f"main questions that it was not trained on. Always the most frequent one would be right "
        f"in {_share(table, 'majority')}, the probe on shuffled labels in "
        f"{_share(table, 'shuffled')}: it is {'above both' if beaten else 'not clear of both'}."
    )


def _wording(analysis: HeadAnalysis) -> str:
    table = analysis.accuracies
    gain = table.sel(way="words")
    if float(gain["gain_low"]) > 0:
        verdict = "the heads tell more than the words"
    elif float(gain["gain_high"]) < 0:
        verdict = "the words tell more than the heads"
    else:
        verdict = "which of the two tells more is open (the interval has 0 in it)"
    words = (
        f"A classifier that sees nothing but the words of a step is right in "
        f"{_share(table, 'words')}: {verdict}."
    )
    if math.isnan(float(table["accuracy"].sel(way="templates"))):
        return f"{words} The steps name too few templates to hold some of them out."
    fall = table.sel(way="templates")
    if float(fall["gain_low"]) > 0:
        verdict = "there it does worse, with fewer steps to learn from and new wording"
    else:
        verdict = "whether it does worse there is open (the interval has 0 in it)"
    return (
        f"{words} On templates that it was not trained on the probe is right in "
        f"{_share(table, 'templates')}, and the words in {_share(table, 'words_templates')}: "
        f"{verdict}."
    )


def _alike(analysis: HeadAnalysis) -> str:
    stable, agreed = analysis.functions["stability"].values, analysis.functions["agreement"].values
    return (
        f"Importance ranks the heads alike in different folds with a correlation of "
        f"{_range(stable)}, and as probes of single heads do with one of {_range(agreed)}."
    )


def _range(values: Any) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "nothing (constant)"
    return f"{known.min():.2f} to {known.max():.2f} over the functions"


def _masking(analysis: HeadAnalysis) -> str:
    assert analysis.causal is not None
    cells = analysis.causal.isel(score=0)
    names = [str(name) for name in cells["masked"].values]
    worse = [n for n in names if float(cells["difference_high"].sel(masked=n)) < 0]
    better = [n for n in names if float(cells["difference_low"].sel(masked=n)) > 0]
    open_ = len(names) - len(worse) - len(better)
    score = LABELS[str(cells["score"].item())]
    lines = [
        f"Masking the top heads of a function lowers the {score} of its own steps more than "
        f"masking as many random other heads does in {len(worse)} of {len(names)} functions"
        + (f" ({', '.join(worse)})" if worse else "")
    ]
    if better:
        lines.append(f"less in {len(better)} ({', '.join(better)})")
    if open_:
        lines.append(f"in {open_} the interval of the difference has 0 in it")
    return "; ".join(lines) + "."


def _own(analysis: HeadAnalysis) -> str:
    """Whether masking hits the own function most."""
    assert analysis.causal is not None
    cells = analysis.causal.isel(score=0)
    change = cells["change"].where(cells["change_high"] < 0, 0.0)
    names = [str(name) for name in change["masked"].values]
    worst = change["function"].values[change.argmin("function").values]
    hit = [
        name
        for name, loses in zip(names, worst, strict=True)
        if str(loses) == name and float(change.sel(masked=name, function=name)) < 0
    ]
    return (
        f"In {len(hit)} of {len(names)} cases"
        + (f" ({', '.join(hit)})" if hit else "")
        + " the masked function itself shows the largest significant drop (expected by chance: "
        "about 1)."
    )


def table_of_functions(analysis: HeadAnalysis) -> str:
    """One row per function, in Markdown: top heads, probes, and what masking them does."""
    header = ["Function", "Top heads", "AUROC of the best head", "Stability", "Agreement"]
    if analysis.causal is not None:
        header += ["Masked", "Random heads", "Difference"]
    rows = [_row(analysis, name) for name in analysis.top]
    return "\n".join(markdown_table(header, rows))


def _row(analysis: HeadAnalysis, name: str) -> list[str]:
    heads = analysis.top[name]
    more = f" and {len(heads) - SHOWN} more" if len(heads) > SHOWN else ""
    of = analysis.probes.sel(function=name)
    numbers = analysis.functions.sel(function=name)
    row = [
        name,
        named(heads[:SHOWN]) + more,
        f"{float(of['chosen_auroc']):.2f} ({float(of['chosen_low']):.2f} to "
        f"{float(of['chosen_high']):.2f})",
        f"{float(numbers['stability']):.2f}",
        f"{float(numbers['agreement']):.2f}",
    ]
    if analysis.causal is not None:
        cells = analysis.causal.isel(score=0).sel(masked=name)
        row.append(f"{float(cells['change'].sel(function=name)):+.2f}")
        row.append(f"{float(cells['random']):+.2f}")
        row.append(
            f"{float(cells['difference']):+.2f} ({float(cells['difference_low']):+.2f} to "
            f"{float(cells['difference_high']):+.2f})"
        )
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
            "heads: the same without as many others, mean over draws. Difference: the first less "
            "the second, with a 95 % interval."
        )
    ways = [
        [ACCURACIES[str(way)], _share(analysis.accuracies, str(way))]
        for way in analysis.accuracies["way"].values
        if not math.isnan(float(analysis.accuracies["accuracy"].sel(way=way)))
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


def summary(analysis: HeadAnalysis) -> dict[str, Any]:
    """The numbers as plain data."""
    counts = Counter(step.function for step in analysis.steps.steps)
    functions = {}
    for name, heads in analysis.top.items():
        functions[name] = {
            "steps": counts[name],
            "top_heads": [list(head) for head in heads],
            "best_auroc": rounded(analysis.probes["chosen_auroc"].sel(function=name)),
            "stability": rounded(analysis.functions["stability"].sel(function=name)),
            "agreement": rounded(analysis.functions["agreement"].sel(function=name)),
        }
        if analysis.causal is not None:
            cells = analysis.causal.isel(score=0).sel(masked=name)
            functions[name]["masked"] = {
                key: rounded(cells[key]) for key in ("difference", "difference_low")
            } | {"difference_high": rounded(cells["difference_high"])}
    return {
        "steps": len(analysis.steps),
        "dropped": dict(analysis.steps.dropped),
        "tested": int(analysis.tested.sum()),
        "functions": functions,
        "accuracy": {
            str(way): {key: rounded(analysis.accuracies[key].sel(way=way)) for key in _NUMBERS}
            for way in analysis.accuracies["way"].values
        },
        "findings": sentences(analysis),
    }


_NUMBERS = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
