"""Head maps as files: maps with their styles, tables, records and a summary."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram.experiments.heads.pipeline import HeadAnalysis
from layergram.experiments.heads.probing import Probing
from layergram.experiments.heads.sentences import ALPHA, section, sentences
from layergram.experiments.result import Result, rounded
from layergram.figures import Style
from layergram.interventions.effects import ENDS, causal_matrix, dose_map
from layergram.models.model import Model

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
    probing, causal = analysis.probing, analysis.causal
    maps = {"importance": probing.importance}
    if _differs(probing.contribution):
        maps["contribution"] = probing.contribution
    maps |= {"importance_alone": probing.importance_alone, "head_auroc": probing.auroc}
    styles = dict.fromkeys(maps, GRID)
    styles |= {name: _clipped(maps[name]) for name in ("importance", "importance_alone")}
    tables = {"top_heads": _top_heads(probing)} if probing.top else {}
    if causal is not None:
        for score in causal["score"].values[:2]:
            matrix = causal_matrix(causal, score=str(score))
            maps[str(matrix.name)] = matrix
            styles[str(matrix.name)] = Style(mark=("diagonal",))
        if causal.sizes["dose"] and causal["dose_change"].isel(score=0).notnull().any():
            dose = dose_map(causal)
            maps[str(dose.name)] = dose
        tables["masking"] = _masking_table(causal)
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


def _differs(contribution: xr.DataArray) -> bool:
    """Whether a head that counts speaks against its function; otherwise importance says it all."""
    return bool(((contribution < 0) & (contribution["p_value"] <= ALPHA)).any())


def _clipped(importance: xr.DataArray) -> Style:
    """One scale for all panels from 0 on; the highest 1 % of the cells share its top colour."""
    top = float(f"{np.nanpercentile(importance.values, CLIPPED):.2g}")
    return replace(GRID, limits=(0.0, top)) if top > 0 else GRID


def _top_heads(probing: Probing) -> pd.DataFrame:
    """The top heads of every function, the most important first."""
    rows = []
    for name, heads in probing.top.items():
        for rank, (layer, head) in enumerate(heads, start=1):
            cell = {"layer": layer, "head": head, "function": name}
            auroc = probing.auroc.sel(cell)
            rows.append(
                {
                    "function": name,
                    "rank": rank,
                    "layer": layer,
                    "head": head,
                    "importance": float(probing.importance.sel(cell)),
                    "p_value": float(probing.importance["p_value"].sel(cell)),
                    "contribution": float(probing.contribution.sel(cell)),
                    "auroc": float(auroc),
                    "auroc_low": float(auroc["low"]),
                    "auroc_high": float(auroc["high"]),
                }
            )
    return pd.DataFrame(rows)


def _masking_table(causal: xr.Dataset) -> pd.DataFrame:
    """What masking did, one row per score, masked function and scored function.

    The rank test stands in the rows of a function's own steps.
    """
    cells = [
        *(f"{name}{end}" for name in ("change", "published") for end in ENDS),
        "random",
        *(f"difference{end}" for end in ENDS),
    ]
    rows = []
    for score in causal["score"].values:
        for masked in causal["masked"].values:
            of = causal.sel(score=score, masked=masked)
            for function in causal["function"].values:
                row: dict[str, Any] = {
                    "score": str(score),
                    "masked": str(masked),
                    "heads": int(of["heads"]),
                    "function": str(function),
                }
                row |= {name: float(of[name].sel(function=function)) for name in cells}
                tested = ("statistic", "as_bad", "p", "p_family")
                own = function == masked
                row |= {name: float(of[name]) if own else math.nan for name in tested}
                rows.append(row)
    return pd.DataFrame(rows)


def _records(analysis: HeadAnalysis) -> list[dict[str, Any]]:
    """Every step with what was done with it."""
    predicted = iter(analysis.probing.predicted)
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
            "use": "test" if analysis.split.tested[at] else "map",
            "predicted": None if analysis.split.tested[at] else next(predicted),
        }
        for at, step in enumerate(analysis.steps.steps)
    ]


def summary(analysis: HeadAnalysis) -> dict[str, Any]:
    """The numbers as plain data."""
    counts = Counter(step.function for step in analysis.steps.steps)
    probing, causal = analysis.probing, analysis.causal
    functions: dict[str, Any] = {}
    for name in map(str, probing.functions["function"].values):
        functions[name] = {
            "steps": counts[name],
            "top_heads": [list(head) for head in probing.top.get(name, [])],
            "why_none": probing.without_top.get(name),
            "best_auroc": rounded(probing.probes["chosen_auroc"].sel(function=name)),
            "stability": rounded(probing.functions["stability"].sel(function=name)),
            "agreement": rounded(probing.functions["agreement"].sel(function=name)),
        }
        if causal is not None and name in causal["masked"].values:
            cells = causal.isel(score=0).sel(masked=name)
            own = cells.sel(function=name)
            functions[name]["masked"] = {
                **{key: rounded(own[key]) for key in ("change", "published", "random")},
                **{f"difference{end}": rounded(own[f"difference{end}"]) for end in ENDS},
                **{key: rounded(cells[key]) for key in ("statistic", "p", "p_family", "norm")},
                "as_bad": int(cells["as_bad"]),
                "draws": cells.sizes["draw"],
            }
    return {
        "steps": len(analysis.steps),
        "dropped": dict(analysis.steps.dropped),
        "split": analysis.split.by,
        "tested": int(analysis.split.tested.sum()),
        "functions": functions,
        "accuracy": {
            str(way): {key: rounded(probing.accuracies[key].sel(way=way)) for key in _NUMBERS}
            for way in probing.accuracies["way"].values
        },
        "findings": sentences(analysis),
    }


_NUMBERS = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
