"""What a role map says beside its cells: controls and baselines, as a table and in sentences."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram.answers.exact import RULES
from layergram.answers.judge import coverage
from layergram.experiments.result import Result, markdown_table, rounded
from layergram.experiments.roles.applications import probe_of
from layergram.experiments.roles.below_chance import below_chance
from layergram.experiments.roles.pipeline import RoleAnalysis, RoleMapOptions
from layergram.figures import Style
from layergram.maps.blocks import block_around_highest
from layergram.models.model import Model
from layergram.probes import Probe, map_of

SCALES = {"logprob": "log-probability", "prob": "probability"}
TAKES = {"mean": "mean", "min": "lowest", "last": "last token's"}
KINDS = ("probe", "control", "baseline")
BEFORE = "last_q"


PLAIN = Style(significance="none")
"""Without a sign at every cell: in role maps almost all of them differ from chance."""

COLUMNS = ["kind", "name", "auroc", "low", "high", "about"]


@dataclass(frozen=True, kw_only=True)
class RoleMapResult(Result):
    """A role map, what it is compared with, and the analysis that it comes from.

    Attributes:
        analysis: answers, hidden states and the numbers of all probes.
        probe: the probe of the map's highest cell, trained on all answers that the map is made of;
            it can be saved, and asked about new answers (``layergram ask``).
    """

    analysis: RoleAnalysis
    probe: Probe


def report(analysis: RoleAnalysis, model: Model, options: RoleMapOptions) -> RoleMapResult:
    """The analysis as maps, tables, sentences and a summary."""
    lines = comparison_rows(analysis)
    maps = {"auroc": map_of(analysis.evaluation)}
    if analysis.published is not None:
        maps["auroc_published"] = map_of(analysis.published)
    if "random-weights" in analysis.controls:
        maps["auroc_random_weights"] = map_of(analysis.controls["random-weights"])
    marked = replace(PLAIN, mark=(region_of(analysis.evaluation)[0],))
    return RoleMapResult(
        title=f"{model.name} on {analysis.questions.name}: {len(analysis.rows)} questions",
        maps=maps,
        tables={"baselines": pd.DataFrame([asdict(line) for line in lines])[COLUMNS]},
        sentences=sentences(analysis, lines),
        summary=summary(analysis, lines),
        records={"rows": [asdict(row) for row in (*analysis.rows, *analysis.drawn)]},
        section=section(analysis, lines),
        styles={**dict.fromkeys(maps, PLAIN), "auroc": marked},
        analysis=analysis,
        probe=probe_of(analysis, model, options),
    )


@dataclass(frozen=True)
class Comparison:
    """One row of the table of probes, controls and baselines.

    Attributes:
        kind: ``probe``, ``control`` or ``baseline``.
        name: short, for the CSV file.
        about: in words.
        auroc: how well it tells wrong from right answers.
        low: lower end of the interval, or NaN where there is none.
        high: upper end.
    """

    kind: str
    name: str
    about: str
    auroc: float
    low: float = math.nan
    high: float = math.nan

    @property
    def text(self) -> str:
        """The AUROC with its interval."""
        interval = "" if math.isnan(self.low) else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.auroc:.2f}{interval}"


def comparison_rows(analysis: RoleAnalysis) -> list[Comparison]:
    """Probes, controls and baselines, on the same answers and the same folds."""
    result = analysis.evaluation
    auroc = map_of(result)
    lines = [
        _best("best_cell", "highest cell of the map: {}", auroc),
        Comparison(
            "probe",
            "chosen_cell",
            "the cell that the other folds choose, on the fold left out",
            float(result["chosen_auroc"]),
            float(result["chosen_low"]),
            float(result["chosen_high"]),
        ),
    ]
    if BEFORE in auroc["role"].values:
        before = auroc.sel(role=[BEFORE])
        lines.append(_best("before_the_answer", "highest before the answer: {}", before))
    lines += _controls(analysis, auroc)
    lines += [
        Comparison("baseline", str(name), about(str(name)), *map(float, values))
        for name, *values in zip(
            result["baseline"].values,
            result["baseline_auroc"].values,
            result["baseline_low"].values,
            result["baseline_high"].values,
            strict=True,
        )
    ]
    return lines


def _controls(analysis: RoleAnalysis, auroc: xr.DataArray) -> list[Comparison]:
    lines = []
    if 0 in auroc["layer"].values:
        about_it = "embedding layer, which sees one token and no context: {}"
        lines.append(_best("surface", about_it, auroc.sel(layer=[0]), kind="control"))
    letters = map_of(analysis.controls["letters"])
    about_it = "a probe on the letters of the exact answer"
    lines.append(_best("letters", about_it, letters, kind="control"))
    if "random-weights" in analysis.controls:
        about_it = "the same shape with random weights: {}"
        fresh = map_of(analysis.controls["random-weights"])
        lines.append(_best("random_weights", about_it, fresh, kind="control"))
    shuffled = map_of(analysis.evaluation, "auroc_shuffled")
    lines.append(_best("shuffled", "labels shuffled: {}", shuffled, kind="control"))
    return lines


def _best(name: str, about: str, array: xr.DataArray, *, kind: str = "probe") -> Comparison:
    """The highest cell of a map as a row of the table."""
    at = np.unravel_index(int(np.nanargmax(array.values)), array.shape)
    cell = array[at]
    where = f"layer {int(cell['layer'])}, {cell['role'].item()}"
    ends = [float(cell[end]) if end in cell.coords else math.nan for end in ("low", "high")]
    return Comparison(kind, name, about.format(where), float(cell), *ends)


def region_of(result: xr.Dataset) -> tuple[str, str]:
    """Where an answer's error shows as well as anywhere: a region to mark, and a sentence on it.

    It is the largest block of neighbouring layers and roles that has the highest cell, and no cell
    below the lower end of that cell's interval.
    """
    auroc = map_of(result)
    at = np.unravel_index(int(np.nanargmax(auroc.values)), auroc.shape)
    floor = float(auroc["low"][at])
    rows, columns = block_around_highest(auroc.values, floor=floor)
    layers = [int(auroc["layer"][row]) for row in rows]
    roles = [str(auroc["role"][column].item()) for column in columns]
    where = " ".join(
        (
            f"layer {layers[0]}" if layers[0] == layers[1] else f"layers {layers[0]}–{layers[1]}",
            f"at {roles[0]}" if roles[0] == roles[1] else f"at {roles[0]} to {roles[1]}",
        )
    )
    sentence = (
        f"It shows about as well anywhere in {where}: no cell there is below {floor:.2f}, the "
        "lower end of the highest cell's interval."
    )
    return f"{layers[0]}:{layers[1]},{roles[0]}:{roles[1]}", sentence


def about(score: str) -> str:
    """A score of an answer in words.

    Example:
        >>> about("exact_logprob_min"), about("answer_tokens")
        ('lowest log-probability of the exact answer', 'length of the answer in tokens')
    """
    if score == "answer_tokens":
        return "length of the answer in tokens"
    over = "the exact answer" if score.startswith("exact_") else "the answer"
    scale, take = score.removeprefix("exact_").split("_")
    return f"{TAKES[take]} {SCALES[scale]} of {over}"


def sentences(analysis: RoleAnalysis, lines: list[Comparison]) -> list[str]:
    """What was found, with what it has to be compared with, in a few sentences."""
    by_name = {line.name: line for line in lines}
    counts = coverage(analysis.rows)
    best, chosen = by_name["best_cell"], by_name["chosen_cell"]
    place = best.about.split(": ")[1]
    found = [
        f"{counts['right']} of {counts['answers']} answers are right. "
        f"{counts['with_exact_answer']} ({counts['coverage']:.0%}) have an exact answer and make "
        f"the map: {counts['right_with_exact_answer']} right, "
        f"{counts['wrong_with_exact_answer']} wrong.",
        f"The highest AUROC is {best.text} at {place}; a cell chosen without the questions it is "
        f"tested on reaches {chosen.text}.",
        region_of(analysis.evaluation)[1],
        _surface(chosen, [line for line in lines if line.kind == "control"]),
        _confidence(analysis.evaluation, [line for line in lines if line.kind == "baseline"]),
    ]
    if "p_map" in analysis.evaluation:
        found.append(_chance(analysis.evaluation))
    found.append(below_chance(analysis.evaluation["auroc"]))
    found += [f"About the set: {warning}." for warning in analysis.questions.warnings]
    return [sentence for sentence in found if sentence]


def _surface(chosen: Comparison, controls: list[Comparison]) -> str:
    compared = [line for line in controls if line.name != "shuffled"]
    listed = "; ".join(f"{line.about}: {line.text}" for line in compared)
    highest = max(line.auroc for line in compared)
    clear = "is above them all" if chosen.low > highest else "is not clear of them"
    return (
        f"What the tokens of an answer tell without the model's work: {listed}. The probe {clear}."
    )


def _confidence(result: xr.Dataset, baselines: list[Comparison]) -> str:
    best = max(baselines, key=lambda line: line.auroc)
    gain = result.sel(baseline=best.name)
    numbers = f"{float(gain['gain_low']):+.2f} to {float(gain['gain_high']):+.2f}"
    return (
        f"The best score without a probe is the {best.about}: {best.text}; the probe gains "
        f"{float(gain['gain']):+.2f} over it ({numbers})."
    )


def _chance(result: xr.Dataset) -> str:
    p, shuffled = float(result["p_map"]), float(result["p_map_shuffled"])
    return (
        f"The chance of a cell this strong anywhere in a map without effect is {_p(p)}; for labels "
        f"shuffled once it is {_p(shuffled)}."
    )


def _p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def section(analysis: RoleAnalysis, lines: list[Comparison]) -> str:
    """Markdown about answers, controls and baselines, to stand below the words about the map."""
    rules = {rule.name: rule.about for rule in RULES} | {
        "alias": "an accepted answer, in a right reply",
        "model": "the model, asked to copy it out of its reply",
        "none": "nothing; the answer is left out of the map",
    }
    extractors = coverage(analysis.rows)["extractors"]
    ordered = sorted(lines, key=lambda line: (KINDS.index(line.kind), -line.auroc))
    return "\n".join(
        [
            "## Answers, Controls, Baselines",
            "",
            *(f"- {sentence}" for sentence in sentences(analysis, lines)),
            "",
            *markdown_table(
                ["Compared", "What", "AUROC (95 % interval)"],
                [[line.kind, line.about, line.text] for line in ordered],
            ),
            "",
            "What found the exact answer:",
            "",
            *markdown_table(
                ["Rule", "Answers", "What it takes"],
                [[name, count, rules[name]] for name, count in extractors.items()],
            ),
            "",
        ]
    )


def summary(analysis: RoleAnalysis, lines: list[Comparison]) -> dict[str, Any]:
    """The numbers of a role map as plain data."""
    result = analysis.evaluation
    return {
        "questions": analysis.questions.name,
        "answers": coverage(analysis.rows),
        "best": {
            "layer": int(result["best_layer"]),
            "role": result["best_role"].item(),
            "auroc": lines[0].auroc,
        },
        "chosen_auroc": float(result["chosen_auroc"]),
        **({"p_map": float(result["p_map"])} if "p_map" in result else {}),
        "findings": sentences(analysis, lines),
        "warnings": list(analysis.questions.warnings),
        "compared": {
            line.name: {
                "kind": line.kind,
                "auroc": rounded(line.auroc),
                **(
                    {}
                    if math.isnan(line.low)
                    else {"low": rounded(line.low), "high": rounded(line.high)}
                ),
            }
            for line in lines
        },
    }
