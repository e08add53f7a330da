"""What a role map says beside its cells: what it is compared with, as a table and in sentences."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram.answers.exact import ABOUT as ABOUT_RULES
from layergram.answers.judge import coverage
from layergram.experiments.result import Result, markdown_table, rounded
from layergram.experiments.roles.applications import probe_of
from layergram.experiments.roles.below_chance import below_chance
from layergram.experiments.roles.comparisons import PAIR, WORDS, Comparison, interval
from layergram.experiments.roles.pipeline import RoleAnalysis, RoleMapOptions
from layergram.figures import Style
from layergram.maps.blocks import block_around_highest
from layergram.models.model import Model
from layergram.probes import Difference, Probe, difference_map, map_of, region
from layergram.probes.word_baseline import telling_word

KINDS = ("probe", "joint", "control", "rival", "single score")
KEPT = (
    "model",
    "revision",
    "model_type",
    "layers",
    "dtype",
    "device",
    "seed",
    "options",
    "references",
    "caveat",
    "missing",
)
"""Attributes of the map that are those of its differences too."""

PLAIN = Style(significance="none")
"""Without a sign at every cell: in role maps almost all of them differ from chance."""

CUT = "were cut at the token limit"


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
    maps = {"auroc": map_of(analysis.evaluation)}
    if options.difference:
        maps["auroc_difference"] = difference_of(analysis, options.difference)
    if analysis.published is not None:
        maps["auroc_published"] = map_of(analysis.published)
    if analysis.fresh is not None:
        maps["auroc_random_weights"] = map_of(analysis.fresh)
    mark, as_good = region_of(analysis.evaluation)
    styles = {**dict.fromkeys(maps, PLAIN), "auroc": replace(PLAIN, mark=(mark,))}
    styles.pop("auroc_difference", None)  # there, the cells that differ are the point
    probe = probe_of(analysis, model, options)
    sentences = sentences_of(analysis, as_good, probe)
    return RoleMapResult(
        title=f"{model.name} on {analysis.examples.name}: {len(analysis.examples.rows)} examples",
        maps=maps,
        tables={"baselines": pd.DataFrame([asdict(line) for line in analysis.comparisons])},
        sentences=sentences,
        summary=summary(analysis, sentences, probe),
        records={"rows": [asdict(row) for row in (*analysis.rows, *analysis.drawn)]},
        section=section(analysis, sentences),
        styles=styles,
        analysis=analysis,
        probe=probe,
    )


def difference_of(analysis: RoleAnalysis, role: str) -> xr.DataArray:
    """Every cell less one role at the same layer, with limits that hold for all cells at once."""
    result = analysis.evaluation
    others = result.sel(role=[name for name in result["role"].values if name != role])
    found = difference_map(others, result, at={"role": role})
    made = {name: result["auroc"].attrs[name] for name in KEPT if name in result["auroc"].attrs}
    return found.assign_attrs(long_name=f"AUROC less that at {role}", **made)


def region_of(result: xr.Dataset) -> tuple[str, str]:
    """The cells that are not worse than the best: their largest block, and a sentence on them."""
    auroc, inside = map_of(result), region(result)
    rows, columns = block_around_highest(auroc.where(inside).values, floor=0.0)
    layers = [int(auroc["layer"][row]) for row in rows]
    roles = [str(auroc["role"][column].item()) for column in columns]
    where = " ".join(
        (
            f"layer {layers[0]}" if layers[0] == layers[1] else f"layers {layers[0]}–{layers[1]}",
            f"at {roles[0]}" if roles[0] == roles[1] else f"at {roles[0]} to {roles[1]}",
        )
    )
    sentence = (
        f"{int(inside.sum())} of {int(auroc.notnull().sum())} cells are not known to be worse than "
        f"the best. Their largest block, marked in the picture, is {where}."
    )
    return f"{layers[0]}:{layers[1]},{roles[0]}:{roles[1]}", sentence


def sentences_of(analysis: RoleAnalysis, as_good: str, probe: Probe) -> list[str]:
    """What was found, with what it has to be compared with; the nested choice leads."""
    negative, positive = analysis.examples.classes
    by_name = {line.name: line for line in analysis.comparisons}
    chosen, best = by_name["chosen_cell"], by_name["best_cell"]
    cells = int(analysis.evaluation["auroc"].notnull().sum())
    several = analysis.evaluation["chosen_auroc_of_partition"].values
    found = [
        f"A linear probe tells {positive} from {negative} with an AUROC of {chosen.text}, its "
        f"layer and role chosen without the {analysis.examples.noun} it is tested on. In "
        f"{several.size} partitions into folds it is {several.min():.2f} to {several.max():.2f}.",
        _claim(analysis),
        f"The highest of {cells} cells is {best.about}: {best.text}. It was picked for being high; "
        "its interval holds for all cells at once.",
        as_good,
        _words(analysis),
        *(
            _best_of(name, [line for line in analysis.comparisons if line.kind == kind])
            for kind, name in (
                ("joint", "joint control"),
                ("control", "other control"),
                ("rival", "rival"),
            )
        ),
        _counts(analysis),
        _chance(analysis.evaluation),
        _calibration(probe, positive, analysis.examples.noun),
        below_chance(analysis.evaluation["auroc"]),
        *(f"About the set: {warning}." for warning in analysis.examples.warnings),
    ]
    return [sentence for sentence in found if sentence]


def _claim(analysis: RoleAnalysis) -> str:
    """The published claim: more is known at the exact answer than before the answer."""
    difference = analysis.claim
    if difference is None:
        return ""
    ends = interval(difference.low, difference.high, sign="+")
    clear = "" if difference.low > 0 or difference.high < 0 else ", which is not clear of 0"
    return (
        f"At {PAIR[0]} the AUROC is {difference.first:.2f}, at {PAIR[1]} {difference.second:.2f}: "
        f"a paired difference of {difference.value:+.2f}{ends}{clear}."
    )


def _best_of(name: str, lines: list[Comparison]) -> str:
    """The best of several comparisons, and what the probe gains over it."""
    lines = [line for line in lines if not math.isnan(line.gain)]
    if not lines:
        return ""
    best = max(lines, key=lambda line: line.auroc)
    if best.gain_high < 0:
        clear = ": the probe does worse"
    else:
        clear = "" if best.gain_low > 0 else ", which is not clear of 0"
    return (
        f"The best {name} is {best.about}: {best.text}. The gain of the probe over it is "
        f"{best.gain_text}{clear}."
    )


def _words(analysis: RoleAnalysis) -> str:
    """What the words alone tell, and the word that tells most where one tells much."""
    line = next(line for line in analysis.comparisons if line.name == WORDS)
    clear = "" if line.gain_low > 0 else ": the classes can be read from the words as well"
    text = (
        f"The words alone, without a model, reach {line.text}. The probe gains {line.gain_text} "
        f"over them{clear}."
    )
    examples = analysis.examples
    word, before, after = telling_word(examples.texts, examples.positive)
    if abs(after - before) > 0.5:
        text += (
            f" '{word}' is in {after:.0%} of {examples.classes[1]} and in {before:.0%} of "
            f"{examples.classes[0]}."
        )
    return text


def _counts(analysis: RoleAnalysis) -> str:
    """How many examples make the map, and why others do not."""
    examples = analysis.examples
    negative, positive = examples.classes
    count, right = int(examples.positive.sum()), int((~examples.positive).sum())
    of = f" of {len(analysis.rows)} answers" if len(analysis.rows) > len(examples.rows) else ""
    text = f"{len(examples.rows)}{of} make the map: {right} {negative}, {count} {positive}."
    used = {row.key for row in examples.rows}
    left = [row for row in analysis.rows if row.key not in used]
    lost = Counter(CUT if row.valid else "have no exact answer" for row in left)
    reasons = " and ".join(f"{number} {why}" for why, number in lost.items())
    text = f"{text} {reasons[0].upper()}{reasons[1:]}." if reasons else text
    if lost[CUT] > len(examples.rows):
        text += (
            " Most answers were cut: a larger --max-new-tokens, or --cut keep, brings them back."
        )
    if not any(row.accepted for row in analysis.rows):
        return text
    counts = coverage(analysis.rows)
    return (
        f"{text} {counts['several_candidates']:.0%} of the replies mention several candidates; "
        "without looking for an accepted answer the rules find the same exact answer in "
        f"{counts['rules_agree']:.0%} of the right replies."
    )


def _chance(result: xr.Dataset) -> str:
    if "p_map" not in result:
        return ""
    p, shuffled = float(result["p_map"]), float(result["p_map_shuffled"])
    text = (
        f"The chance of a cell this strong anywhere in a map without effect is {_p(p)}; with "
        f"labels shuffled once it is {_p(shuffled)}."
    )
    movable = result.attrs["movable"] / result.sizes["example"]
    if movable < 0.5:
        text += (
            f" Only {100 * movable:.0f} % of the labels could be exchanged, because groups differ "
            "in size: the test is valid, and sees little."
        )
    return text


def _calibration(probe: Probe, positive: str, noun: str) -> str:
    """How well the probabilities of the probe hold."""
    found = probe.provenance["calibration"]
    return (
        f"The probe's probabilities have a Brier score of {found['brier']:.2f}, on {noun} that "
        f"had no part in training or calibration; the share of {positive} alone has "
        f"{found['brier_base_rate']:.2f} (0 is perfect)."
    )


def _p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def _place(line: Comparison) -> tuple[int, float]:
    """Where a comparison stands in the table: the nested choice first, then by kind and AUROC."""
    kind = KINDS.index(line.kind)
    return kind, 0.0 if kind == 0 else -np.nan_to_num(line.auroc)


def section(analysis: RoleAnalysis, sentences: list[str]) -> str:
    """Markdown about answers and comparisons, to stand below the words about the map."""
    ordered = sorted(analysis.comparisons, key=_place)
    return "\n".join(
        [
            "## Answers, Controls, Rivals",
            "",
            *(f"- {sentence}" for sentence in sentences),
            "",
            "All are trained and tested on the same folds; the gain is the probe's AUROC less "
            "theirs, paired by group, with its 95 % interval.",
            "",
            *markdown_table(
                ["Kind", "What", "AUROC (95 % interval)", "Gain of the probe"],
                [[line.kind, line.about, line.text, line.gain_text] for line in ordered],
            ),
            "",
            *([] if analysis.examples.of == "texts" else _rules(analysis)),
        ]
    )


def _rules(analysis: RoleAnalysis) -> list[str]:
    """What found the exact answers."""
    rules = ABOUT_RULES | {"none": "nothing; the answer is left out of the map"}
    counts = coverage(analysis.rows)["extractors"]
    return [
        "What found the exact answer:",
        "",
        *markdown_table(
            ["Rule", "Answers", "What it takes"],
            [[name, count, rules.get(name, "")] for name, count in counts.items()],
        ),
        "",
    ]


def summary(analysis: RoleAnalysis, sentences: list[str], probe: Probe) -> dict[str, Any]:
    """The numbers of a role map as plain data."""
    result, difference = analysis.evaluation, analysis.claim
    best = next(line for line in analysis.comparisons if line.name == "best_cell")
    numbers = ("auroc", "low", "high", "gain", "gain_low", "gain_high")
    return {
        "questions": analysis.examples.name,
        "classes": dict(
            zip(
                analysis.examples.classes,
                np.bincount(analysis.examples.positive).tolist(),
                strict=True,
            )
        ),
        **({} if analysis.examples.of == "texts" else {"answers": coverage(analysis.rows)}),
        "nested_auroc": float(result["nested_auroc"]),
        "nested_auroc_of_partition": result["chosen_auroc_of_partition"].values.tolist(),
        "best": {
            "layer": int(result["best_layer"]),
            "role": result["best_role"].item(),
            "auroc": rounded(best.auroc),
        },
        "calibration": probe.provenance["calibration"],
        **({} if difference is None else {"difference": _plain(difference)}),
        **{name: rounded(result[name]) for name in ("p_map", "p_map_shuffled") if name in result},
        **{name: rounded(x) for name, x in result.attrs.items() if name == "t_rank_correlation"},
        "movable": result.attrs["movable"],
        "findings": sentences,
        "warnings": list(analysis.examples.warnings),
        "compared": {
            line.name: {"kind": line.kind}
            | {name: rounded(getattr(line, name)) for name in numbers}
            for line in analysis.comparisons
        },
    }


def _plain(difference: Difference) -> dict[str, Any]:
    ends = {name: rounded(getattr(difference, name)) for name in ("value", "low", "high")}
    return {PAIR[0]: rounded(difference.first), PAIR[1]: rounded(difference.second), **ends}
