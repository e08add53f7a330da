"""Figures from real runs: the commands that made their maps, kept in docs/gallery/data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import maps
from layergram.figures.style import Style

DATA = Path(__file__).with_name("gallery") / "data"
SUM = (
    r"A and B = 8 + 5 = 13 \boxed{13} the correct choice is (D) 13. "
    r"The final answer is \boxed{(D)}"
)
UNTRAINED = "untrained/"
"""Where the script puts a llama of 32 layers with 32 heads each, its weights drawn by lot."""

RUNS: dict[str, tuple[str, ...]] = {
    "sum": ("map", SUM, "--measure", "divergence",
            "--measure", "attention_distance_normalised",
            "--measure", "attention_entropy_normalised", "--measure", "cosine_to_final",
            "--measure", "attention_from", "--query", "answer"),
    "capitals": ("roles", "capitals"),
    "functions": ("heads", "functions"),
    "long": ("map", "--file", "long_text.txt", "--measure", "divergence"),
    "scripts": ("map", "--file", "scripts.txt", "--measure", "divergence"),
    "untrained_heads": ("map", SUM, "--model", UNTRAINED, "--heads", "each",
                        "--measure", "attention_distance_normalised"),
    "answer": ("map", "--prompt", "What is the capital of France?", "--measure", "divergence",
               "--measure", "lens_token"),
    "chunks_of_one": ("map", SUM, "--measure", "divergence", "--chunk", "1"),
    "long_heads": ("map", "--file", "long_text.txt", "--heads", "each",
                   "--measure", "attention_entropy_normalised"),
}  # fmt: skip
"""The command of each folder of results, with the embedded model where none is named."""

NEEDED = {
    "divergence": "sum/divergence.nc",
    "distance": "sum/attention_distance_normalised.nc",
    "entropy": "sum/attention_entropy_normalised.nc",
    "cosine": "sum/cosine_to_final.nc",
    "auroc": "capitals/auroc.nc",
    "importance": "functions/importance.nc",
    "long": "long/divergence.nc",
    "scripts": "scripts/divergence.nc",
    "untrained": "untrained_heads/attention_distance_normalised.nc",
    "answer": "answer/divergence.nc",
    "attention_from": "sum/attention_from.nc",
    "words": "answer/lens_token.nc",
    "chunks": "chunks_of_one/divergence.nc",
    "long_heads": "long_heads/attention_entropy_normalised.nc",
}
"""The map in ``data`` -> the file of a run that it was taken from."""


@dataclass(frozen=True)
class Real:
    """A figure from a real run: its title, what it shows, its maps in ``data``, and its style."""

    title: str
    says: str
    names: tuple[str, ...]
    style: Style = field(default_factory=Style)
    options: str = ""

    @property
    def maps(self) -> Any:
        """The map, or the maps, or the difference of two maps."""
        arrays = [read(name) for name in self.names]
        if self.options == "diff":
            return maps.difference(*arrays, names=self.names)
        return arrays if len(arrays) > 1 else arrays[0]

    @property
    def command(self) -> str:
        """What draws it."""
        files = " ".join(f"{name}.nc" for name in self.names)
        if self.options == "diff":
            return f"layergram diff {files} -o noise.png"
        return f"layergram draw {files} {self.options}".strip()


def read(name: str) -> xr.DataArray:
    """One of the maps in ``data``."""
    return maps.read(DATA / f"{name}.nc")


MARK = "10:20,exact_answer_last:exact_answer_after_last"

REAL: dict[str, Real] = {
    "real_tokens": Real(
        "Layer × token",
        "The divergence of each layer's prediction from the last one's, for a sum and its answer.",
        ("divergence",),
    ),
    "real_tokens_reversed": Real(
        "Layer × token, from dark to light",
        "The same map, with the colours the other way round.",
        ("divergence",),
        Style(direction="reversed"),
        "--direction reversed",
    ),
    "real_roles": Real(
        "Layer × role, a region marked",
        "How well a linear probe of one layer at one token tells wrong answers from right ones: "
        "the capitals of 246 countries.",
        ("auroc",),
        Style(mark=(MARK,)),
        f"--mark {MARK}",
    ),
    "real_roles_lines": Real(
        "Four roles along the layers",
        "The same map for four roles, with the intervals of its values.",
        ("auroc",),
        Style(kind="lines", select=("role=exact_answer_before_first:exact_answer_after_last",)),
        "--kind lines --select role=exact_answer_before_first:exact_answer_after_last",
    ),
    "real_heads": Real(
        "Layer × head, a panel per function",
        "Importance of each head for a probe that tells eight functions of reasoning steps apart; "
        "in this model no function is clear of the words of its steps.",
        ("importance",),
    ),
    "real_long": Real(
        "556 tokens",
        "The beginning of a text. Every column is there: on a page each has three dots or more.",
        ("long",),
    ),
    "real_scripts": Real(
        "Chinese, Hindi, Arabic, emoji",
        "A character that the tokenizer cuts is labelled with its parts.",
        ("scripts",),
    ),
    "real_scripts_by_word": Real(
        "The same, by word",
        "Columns joined to words.",
        ("scripts",),
        Style(by="word"),
        "--by word",
    ),
    "real_untrained": Real(
        "32 layers with 32 heads",
        "A model with weights drawn by lot, at the last token: there is nothing to see, "
        "and the colours do not pretend otherwise.",
        ("untrained",),
    ),
    "real_long_names": Real(
        "Long names",
        "Three measures with long names; each has its own scale.",
        ("distance", "entropy", "cosine"),
    ),
    "real_sinks": Real(
        "Sinks in the middle",
        "Tokens that draw most of the attention of one query, wherever they are, do not set the "
        "limits.",
        ("attention_from",),
    ),
    "real_answer": Real(
        "A prompt with its answer",
        "A line divides them, brackets name them, and tokens of the chat template are grey.",
        ("answer",),
    ),
    "real_answer_only": Real(
        "Without the template",
        "What the user and the model wrote.",
        ("answer",),
        Style(part="without_template"),
        "--part without_template",
    ),
    "real_words": Real(
        "Words in the cells",
        "The likeliest token at every layer of the logit lens, for the tokens of the answer.",
        ("words",),
        Style(part="answer"),
        "--part answer",
    ),
    "real_noise": Real(
        "A difference of rounding noise",
        "One text read token by token, and at once: no cell differs by more than rounding.",
        ("chunks", "divergence"),
        options="diff",
    ),
    "real_many": Real(
        "400 panels",
        "A panel for each of 400 tokens, layer by head.",
        ("long_heads",),
        Style(facet="token"),
        "--facet token",
    ),
    "real_one_cell": Real(
        "One cell",
        "One layer at one token.",
        ("divergence",),
        Style(select=("layer=12", "token=8")),
        "--select layer=12 --select token=8",
    ),
}
