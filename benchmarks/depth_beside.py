"""Deep-thinking ratios beside those of deep-think-tokens, one difference at a time.

Both read the same ids. Starting from this project's definition, each difference is put in by
itself, then all together, which has to give the other package's numbers; then each is taken out
again by itself. ``docs/depth_compared.md`` has a run. Run it in the environment of
``benchmarks/requirements.txt``:

    python benchmarks/depth_beside.py MODEL_FOLDER depth/answers.jsonl --most 40

An answer takes about 8 seconds on one thread: the other package computes the divergence of every
layer over the whole vocabulary, at the tokens of the prompt too.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from deep_think_tokens import add_deep_thinking_tokens_hooks, deep_thinking_ratio
from scipy.stats import rankdata
from transformers import AutoModelForCausalLM

G, RHO, THEIR_P = 0.5, 0.85, 0.9


@dataclass(frozen=True)
class Definition:
    """How a deep-thinking ratio is computed.

    Attributes:
        bits: whether g is in bits; else in nats.
        normed: whether the lens applies the final norm.
        all_layers: whether the last layer counts and the first deep layer is ceil(rho * L); else
            it is left out and the first deep one is int(rho * (L - 1)), counted from 0.
        rho: share of the layers below which a token is shallow.
    """

    bits: bool = True
    normed: bool = True
    all_layers: bool = True
    rho: float = RHO

    def ratio(self, of: dict[bool, np.ndarray]) -> float:
        """The ratio from divergences in nats [layer, token], with and without the final norm."""
        nats = of[self.normed]
        limit = G * math.log(2) if self.bits else G
        kept = nats if self.all_layers else nats[:-1]
        settled = np.minimum.accumulate(kept) <= limit
        layers = len(kept)
        if self.all_layers:
            settled[-1] = True
            depth, least = settled.argmax(0), math.ceil(self.rho * layers - 1e-9) - 1
        else:
            depth = np.where(settled.any(0), settled.argmax(0), layers)
            least = int(self.rho * layers)
        return float(np.mean(depth >= least))


OURS = Definition()
THEIRS = Definition(bits=False, normed=False, all_layers=False, rho=THEIR_P)
DIFFERENCES = {
    "g = 0.5 nats, not bits": "bits",
    "no final norm before the unembedding": "normed",
    "last layer left out, int(rho (L - 1)) from 0": "all_layers",
    f"rho = {THEIR_P}, not {RHO}": "rho",
}


def changed(start: Definition, end: Definition, field: str) -> Definition:
    """A definition with one field of another."""
    return replace(start, **{field: getattr(end, field)})


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--most", type=int, default=200)
    given = parser.parse_args()
    lines = given.answers.read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    answers = [answers[at] for at in spread(len(answers), given.most)]
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32).eval()
    keep_before_norm(model)
    tracker = add_deep_thinking_tokens_hooks(model)
    theirs, missing, found = [], 0, []
    for answer in answers:
        ids = torch.tensor([answer["ids"]])
        tracker.clear()
        with torch.inference_mode():
            out = model(ids, output_hidden_states=True)
        columns = slice(answer["prompt_tokens"] - 1, len(answer["ids"]) - 1)
        of_answer = {k: v[:, columns] for k, v in tracker.collect().items()}
        missing += sum(int(v.isnan().sum()) for v in of_answer.values())
        theirs.append(deep_thinking_ratio(of_answer, g=G, p=THEIR_P))
        found.append(divergences(model, out.hidden_states, columns))
    right = np.array([answer["right"] for answer in answers])
    kept = np.array([answer["dtr_0.5"] for answer in answers])
    ours = np.array([OURS.ratio(each) for each in found])
    print(f"{len(answers)} answers, {right.sum()} right; {missing} divergences were NaN\n")
    print("| deep-thinking ratio | mean | Pearson r with ours | AUROC of being right |")
    print("| --- | --- | --- | --- |")
    row("ours, as kept by the run", kept, ours, right)
    row("ours, computed here", ours, ours, right)
    rows = {name: changed(OURS, THEIRS, field) for name, field in DIFFERENCES.items()}
    rows["all four"] = THEIRS
    for name, field in DIFFERENCES.items():
        rows[f"all but: {name}"] = changed(THEIRS, OURS, field)
    values = {name: np.array([each.ratio(of) for of in found]) for name, each in rows.items()}
    for name, ratios in values.items():
        row(name, ratios, ours, right)
    row("deep-think-tokens", np.array(theirs), ours, right)
    print(f"\nlargest difference of ours from the kept ones: {np.abs(kept - ours).max():.2g}")
    largest = np.abs(values["all four"] - np.array(theirs)).max()
    print(f"of all four from deep-think-tokens: {largest:.2g}")


def divergences(model: torch.nn.Module, hidden: tuple, columns: slice) -> dict[bool, np.ndarray]:
    """Divergences from the last layer in nats [layer, token], with and without the final norm."""
    found = {}
    with torch.inference_mode():
        # transformers gives the last stream normed; what goes into the norm is caught
        streams = [h[0, columns] for h in hidden[1:-1]]
        for normed in (True, False):
            last = hidden[-1][0, columns] if normed else model.before_norm[0, columns]
            read = [model.model.norm(h) if normed else h for h in streams]
            log_p = torch.stack([model.lm_head(h) for h in [*read, last]]).log_softmax(-1)
            final = log_p[-1]
            rows = []
            for layer in log_p:
                mean = torch.logaddexp(layer, final) - math.log(2)
                of_both = [(p.exp() * (p - mean)).sum(-1) for p in (layer, final)]
                rows.append(sum(of_both) / 2)
            found[normed] = torch.stack(rows).numpy()
    return found


def keep_before_norm(model: torch.nn.Module) -> None:
    """Keep what goes into the final norm when the whole model runs."""

    def keep(_: torch.nn.Module, args: tuple) -> None:
        if args[0].dim() == 3:  # not the calls of the lens
            model.before_norm = args[0]

    model.model.norm.register_forward_pre_hook(keep)


def row(name: str, values: np.ndarray, ours: np.ndarray, right: np.ndarray) -> None:
    """One line of the table."""
    r = np.corrcoef(values, ours)[0, 1] if np.ptp(values) and np.ptp(ours) else math.nan
    print(f"| {name} | {values.mean():.3f} | {r:.2f} | {auroc(values, right):.2f} |", flush=True)


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """Share of pairs of a right and a wrong answer in which the right one scores higher."""
    n = int(right.sum())
    if n in (0, len(right)):
        return math.nan
    ranks = rankdata(scores)[right].sum()
    return float((ranks - n * (n + 1) / 2) / (n * (len(right) - n)))


def spread(count: int, most: int) -> list[int]:
    """Up to ``most`` places, evenly spread."""
    edges = np.linspace(0, count, min(most, count) + 1).astype(int)
    return [int(a) for a, _ in pairwise(edges)]


if __name__ == "__main__":
    main()
