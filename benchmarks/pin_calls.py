"""What pins.py calls of layergram, and nothing else does: adapt this file when names move."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from pin_rules import TIE_NATS, TIE_P

ROOT = Path(__file__).parent.parent
PERMUTATIONS, HEAD_PERMUTATIONS = 100, 20
CONTEXT = 8  # tokens that the lookback ratio takes for the context


def embedded_model() -> Any:
    """The embedded model."""
    from layergram import load

    return load("smollm2", device="cpu")


def tiny_model(model_type: str) -> Any:
    """The zoo's model of this type, with a byte-level tokenizer and room for 2,048 tokens."""
    sys.path[:0] = [str(ROOT / "tests")]
    import zoo
    from layergram import load
    from tiny_llama import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    positions = ["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"]
    zoo.SIZES |= {"vocab_size": len(tokenizer), **dict.fromkeys(positions, 2048)}
    return load(zoo.tiny(model_type), tokenizer=tokenizer)


def network_of(model: Any) -> torch.nn.Module:
    """The transformers model."""
    return model.network  # type: ignore[no-any-return]


def all_measures() -> dict[str, bool]:
    """Names of measures, and whether one has values for each head."""
    from layergram.measures import MEASURES

    return {name: record.per_head for name, record in MEASURES.items()}


def refused_measures(model: Any, text: str) -> dict[str, str]:
    """The measures that this model or text cannot have, each with the reason."""
    from layergram.token_sources import Source
    from layergram.tracing import unsupported_measures

    return unsupported_measures(model, Source(text=text), options={"context": CONTEXT})


def trace_maps(
    model: Any, measures: Sequence[str], *, text: str, heads: str, g: float
) -> xr.Dataset:
    """Maps of a text; ``g`` is the threshold of settling_depth."""
    from layergram import Run, trace

    given = {"attention_lookback": {"context": CONTEXT}, "settling_depth": {"g": g}}
    options = {k: v for name in measures for k, v in given.get(name, {}).items()}
    return trace(model, text, measures=measures, options=options, run=Run(heads=heads, chunk=256))


def trace_answer(model: Any, measures: Sequence[str], *, prompt: str) -> xr.Dataset:
    """Maps of a prompt in the chat template, with a greedy answer of up to 24 tokens."""
    from layergram import Run, trace

    return trace(model, prompt=prompt, measures=measures, run=Run(max_new_tokens=24))


def add_rank_bounds() -> None:
    """Two more measures: the ranks if every token about as likely were behind, or ahead."""
    from layergram.measures.registry import measure

    def bound(view: Any, side: int) -> Any:
        own = view.log_p.gather(1, view.next_ids.clamp(min=0)[:, None])
        reach = torch.log1p(TIE_P / own.exp()).clamp(max=TIE_NATS)
        rank = (view.log_p > own + side * reach).sum(-1).float() + max(side, 0)
        return torch.where(view.next_ids >= 0, rank, torch.nan)

    def lens_rank_low(view: Any) -> Any:
        """Best rank within the tie."""
        return bound(view, 1)

    def lens_rank_high(view: Any) -> Any:
        """Worst rank within the tie."""
        return bound(view, -1)

    for function in (lens_rank_low, lens_rank_high):
        measure(
            "lens",
            long_name=function.__doc__,
            units="1",
            valid_min=1.0,
            valid_max=None,
            alignment="predicts",
            caveat="",
        )(function)


def run_command(*words: str | Path) -> None:
    """Run the command line."""
    program = [sys.executable, "-m", "layergram", *map(str, words), "--device", "cpu", "--quiet"]
    subprocess.run(program, check=True)


def maps_in(folder: Path) -> dict[str, xr.DataArray]:
    """The maps that a command wrote, by name."""
    from layergram.maps import read

    return {path.stem: read(path) for path in sorted(folder.glob("*.nc"))}


def answers_in(folder: Path) -> list[dict[str, Any]]:
    """The judged answers of ``roles``; ``exact_tokens`` is None where an answer is left out."""
    kept = ("id", "group", "ids", "prompt_tokens", "reply", "right", "exact", "extractor")
    used = set(xr.open_zarr(folder / "features" / "arrays.zarr")["example"].values.tolist())
    return [
        {
            **{key: row[key] for key in (*kept, "roles")},
            "exact_tokens": row["exact_tokens"] if row["id"] in used else None,
        }
        for row in lines_of(folder / "rows.jsonl")
    ]


def role_features_in(folder: Path) -> dict[str, np.ndarray]:
    """Hidden states [example, layer, role, feature] and scores [example, score] of ``roles``.

    The examples are the answers with an exact answer, in the order of :func:`answers_in`.
    """
    stored = xr.open_zarr(folder / "features" / "arrays.zarr")
    order = [row["id"] for row in answers_in(folder) if row["exact_tokens"] is not None]
    return {name: stored[name].sel(example=order).values for name in ("features", "scores")}


def baselines_in(folder: Path) -> dict[str, float]:
    """AUROC of the scores and controls that ``roles`` compares its map with."""
    return {row["name"]: float(row["auroc"]) for row in rows_of(folder / "baselines.csv")}


def steps_in(folder: Path) -> list[dict[str, Any]]:
    """The steps of ``heads``: use is ``map`` or ``test``, said the function that is predicted."""
    kept = ("id", "group", "function", "tokens", "content", "use")
    return [
        {**{key: step[key] for key in kept}, "said": step["predicted"]}
        for step in lines_of(folder / "steps.jsonl")
    ]


def head_outputs_in(folder: Path) -> np.ndarray:
    """Head outputs [example, layer, head, feature], in the order of :func:`steps_in`."""
    stored = xr.open_zarr(folder / "head_outputs" / "arrays.zarr")["head_outputs"]
    order = sorted(stored["example"].values.tolist(), key=int)
    return np.asarray(stored.sel(example=order).values)


def head_tables_in(folder: Path) -> dict[str, Any]:
    """Top heads, what masking does, and accuracies of the probe of all heads."""
    top: dict[str, list[list[int]]] = {}
    for row in rows_of(folder / "top_heads.csv"):
        top.setdefault(row["function"], []).append([int(row["layer"]), int(row["head"])])
    masking = {
        "/".join(row[key] for key in ("score", "masked", "function")): [
            float(row[name]) if row[name] else None for name in ("change", "random", "difference")
        ]
        for row in rows_of(folder / "masking.csv")
    }
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["accuracy"]
    accuracy = {name: numbers["accuracy"] for name, numbers in found.items()}
    return {"top": top, "masking": masking, "accuracy": accuracy}


def answer_samples(model: Any) -> dict[str, list[int]]:
    """Ids of the answers to 12 questions by question and number of the answer; 0 is greedy."""
    from layergram import AnswerOptions, questions
    from layergram.answers.ask import ask

    options = AnswerOptions(samples=2, temperature=1.0)
    found = ask(model, questions("capitals").first(12), options=options)
    return {f"{one.question.id}/{one.sample}": list(one.ids) for one in found}


def probe_roles(features: np.ndarray, wrong: Sequence[bool], groups: Sequence[str]) -> xr.DataArray:
    """The AUROC map of ``roles``, from features [example, layer, role, feature]."""
    from layergram.probes import Evaluation, evaluate, map_of

    evaluation = Evaluation(permutations=PERMUTATIONS)
    return map_of(evaluate(features, np.array(wrong), groups=groups, evaluation=evaluation))


def probe_heads(
    outputs: np.ndarray, functions: Sequence[str], groups: Sequence[str]
) -> dict[str, xr.DataArray]:
    """Importance, contribution and AUROC maps of ``heads``, from outputs of the steps mapped."""
    from layergram.experiments.heads import importance
    from layergram.experiments.heads.all_heads_probe import joint_probes
    from layergram.experiments.heads.single_heads import head_probes
    from layergram.features.head_outputs import with_layer_mean
    from layergram.probes import Evaluation
    from layergram.statistics.folds import grouped_folds

    coords = {"layer": range(1, outputs.shape[1] + 1), "head": range(outputs.shape[2])}
    alone = xr.DataArray(outputs, dims=("example", "layer", "head", "feature"), coords=coords)
    features, known = with_layer_mean(alone), importance.labelled(functions, groups)
    folds = grouped_folds(known.classes, known.groups, folds=5, seed=0)
    joint = joint_probes(features, known.classes, folds)
    evaluation = Evaluation(permutations=HEAD_PERMUTATIONS)
    probes = head_probes(alone, functions, groups=groups, evaluation=evaluation)
    found = importance.importance_maps(joint, known, features)
    maps = (*found, importance.auroc_map(probes))
    return dict(zip(("importance", "contribution", "head_auroc"), maps, strict=True))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a .csv file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
