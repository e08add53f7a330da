"""What a role map says beside its cells: controls and baselines, as a table and in sentences."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from layergram.answers.exact import RULES
from layergram.answers.judge import coverage
from layergram.experiments.roles.pipeline import Probed
from layergram.maps.blocks import block_around_highest
from layergram.probes import map_of

SCALES = {"logprob": "log-probability", "prob": "probability"}
TAKES = {"mean": "mean", "min": "lowest", "last": "last token's"}
KINDS = ("probe", "control", "baseline")
BEFORE = "last_q"


@dataclass(frozen=True)
class Line:
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
    def told(self) -> str:
        """The AUROC with its interval."""
        interval = "" if math.isnan(self.low) else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.auroc:.2f}{interval}"


def lines_of(probed: Probed) -> list[Line]:
    """Probes, controls and baselines, on the same answers and the same folds."""
    result = probed.result
    auroc = map_of(result)
    lines = [
        _best("best_cell", "highest cell of the map: {}", auroc),
        Line(
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
    lines += _controls(probed, auroc)
    lines += [
        Line("baseline", str(name), about(str(name)), *map(float, values))
        for name, *values in zip(
            result["baseline"].values,
            result["baseline_auroc"].values,
            result["baseline_low"].values,
            result["baseline_high"].values,
            strict=True,
        )
    ]
    return lines


def _controls(probed: Probed, auroc: xr.DataArray) -> list[Line]:
    lines = []
    if 0 in auroc["layer"].values:
        said = "embedding layer, which sees one token and no context: {}"
        lines.append(_best("surface", said, auroc.sel(layer=[0]), kind="control"))
    letters = map_of(probed.controls["letters"])
    said = "a probe on the letters of the exact answer"
    lines.append(_best("letters", said, letters, kind="control"))
    if "random-weights" in probed.controls:
        said = "the same shape with random weights: {}"
        fresh = map_of(probed.controls["random-weights"])
        lines.append(_best("random_weights", said, fresh, kind="control"))
    shuffled = map_of(probed.result, "auroc_shuffled")
    lines.append(_best("shuffled", "labels shuffled: {}", shuffled, kind="control"))
    return lines


def _best(name: str, said: str, array: xr.DataArray, *, kind: str = "probe") -> Line:
    """The highest cell of a map as a row of the table."""
    at = np.unravel_index(int(np.nanargmax(array.values)), array.shape)
    cell = array[at]
    where = f"layer {int(cell['layer'])}, {cell['role'].item()}"
    ends = [float(cell[end]) if end in cell.coords else math.nan for end in ("low", "high")]
    return Line(kind, name, said.format(where), float(cell), *ends)


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


def table(lines: list[Line]) -> str:
    """The rows as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kind", "name", "auroc", "low", "high", "about"])
    for line in lines:
        numbers = ["" if math.isnan(x) else f"{x:.4f}" for x in (line.auroc, line.low, line.high)]
        writer.writerow([line.kind, line.name, *numbers, line.about])
    return out.getvalue()


def sentences(probed: Probed, lines: list[Line]) -> list[str]:
    """What was found, with what it has to be compared with, in a few sentences."""
    by_name = {line.name: line for line in lines}
    counts = coverage(probed.rows)
    best, chosen = by_name["best_cell"], by_name["chosen_cell"]
    place = best.about.split(": ")[1]
    told = [
        f"{counts['right']} of {counts['answers']} answers are right. "
        f"{counts['with_exact_answer']} ({counts['coverage']:.0%}) have an exact answer and make "
        f"the map: {counts['right_with_exact_answer']} right, "
        f"{counts['wrong_with_exact_answer']} wrong.",
        f"The highest AUROC is {best.told} at {place}; a cell chosen without the questions it is "
        f"tested on reaches {chosen.told}.",
        region_of(probed.result)[1],
        _surface(chosen, [line for line in lines if line.kind == "control"]),
        _confidence(probed.result, [line for line in lines if line.kind == "baseline"]),
    ]
    if "p_map" in probed.result:
        told.append(_chance(probed.result))
    return told


def _surface(chosen: Line, controls: list[Line]) -> str:
    compared = [line for line in controls if line.name != "shuffled"]
    listed = "; ".join(f"{line.about}: {line.told}" for line in compared)
    highest = max(line.auroc for line in compared)
    clear = "is above them all" if chosen.low > highest else "is not clear of them"
    return (
        f"What the tokens of an answer tell without the model's work: {listed}. The probe {clear}."
    )


def _confidence(result: xr.Dataset, baselines: list[Line]) -> str:
    best = max(baselines, key=lambda line: line.auroc)
    gain = result.sel(baseline=best.name)
    numbers = f"{float(gain['gain_low']):+.2f} to {float(gain['gain_high']):+.2f}"
    return (
        f"The best score without a probe is the {best.about}: {best.told}; the probe gains "
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


def section(probed: Probed, lines: list[Line]) -> str:
    """Markdown about answers, controls and baselines, to stand below the words about the map."""
    counts = coverage(probed.rows)
    told = [f"- {sentence}" for sentence in sentences(probed, lines)]
    rules = {rule.name: rule.about for rule in RULES} | {
        "alias": "an accepted answer, in a right reply",
        "model": "the model, asked to copy it out of its reply",
        "none": "nothing; the answer is left out of the map",
    }
    found = [
        f"| {name} | {count} | {rules[name]} |" for name, count in counts["extractors"].items()
    ]
    compared = [
        f"| {line.kind} | {_cell(line)} | {line.told} |"
        for line in sorted(lines, key=lambda line: (KINDS.index(line.kind), -line.auroc))
    ]
    return "\n".join(
        [
            "## Answers, Controls, Baselines",
            "",
            *told,
            "",
            "| Compared | What | AUROC (95 % interval) |",
            "| --- | --- | --- |",
            *compared,
            "",
            "What found the exact answer:",
            "",
            "| Rule | Answers | What it takes |",
            "| --- | --- | --- |",
            *found,
            "",
        ]
    )


def _cell(line: Line) -> str:
    return line.about.replace("|", "\\|")


def summary(probed: Probed, lines: list[Line]) -> dict[str, Any]:
    """The numbers of a role map as plain data."""
    result = probed.result
    return {
        "questions": probed.questions.name,
        "answers": coverage(probed.rows),
        "best": {
            "layer": int(result["best_layer"]),
            "role": result["best_role"].item(),
            "auroc": lines[0].auroc,
        },
        "chosen_auroc": float(result["chosen_auroc"]),
        **({"p_map": float(result["p_map"])} if "p_map" in result else {}),
        "compared": {
            line.name: {
                "kind": line.kind,
                "auroc": round(line.auroc, 4),
                **(
                    {}
                    if math.isnan(line.low)
                    else {"low": round(line.low, 4), "high": round(line.high, 4)}
                ),
            }
            for line in lines
        },
    }
