"""One example of every kind of figure, made of invented numbers: for the gallery and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps as currency
from layergram.figures.planning import Maps
from layergram.figures.style import Style

TEXT = "A| and| B| =| |8| +| |5| =| |13|.| The| correct| choice| is| (|D|)| |13|.|\n|The"
TEXT += "| final| answer| is| \\boxed{|(D|)}"
SCRIPTS = r"你好|世界|，|مرحبا| بالعالم|नमस्ते|😀|🙂 1/3|🙂 2/3|🙂 3/3|↵|$x^2$"
SCRIPTS += r"| \frac{|\n\n|\t|{}|Ωμέγα|привет"
FUNCTIONS = (
    *("Knowledge Recall", "Retrieval", "Logical Reasoning", "Decision-making"),
    *("Semantic Understanding", "Syntactic Understanding", "Inference", "Math Calculation"),
)
WIDTHS = (4.0, 6.0, 1.8, 7.0, 2.6, 1.2, 6.5, 2.2)


@dataclass(frozen=True)
class Example:
    """A kind of figure: its title, what it shows, the maps, the style, and the command for it."""

    title: str
    says: str
    maps: Maps
    style: Style
    options: str = ""


def tokens_of(text: str) -> list[str]:
    """Token texts from pieces that are joined by bars; ``\\n`` and ``\\t`` are white space."""
    return [piece.replace("\\n", "\n").replace("\\t", "\t") for piece in text.split("|")]


def divergence(tokens: list[str], *, layers: int = 30, seed: int = 0) -> xr.DataArray:
    """A divergence map in which every token settles at a layer drawn by lot."""
    random = np.random.default_rng(seed)
    settles = random.integers(4, layers, size=len(tokens))
    depth = np.arange(1, layers + 1)[:, None]
    values = random.uniform(0.94, 1.0, (layers, len(tokens))) / (
        1 + np.exp((depth - settles) / 1.1)
    )
    values[:, 0], values[-1, 1:] = np.nan, 0.0
    return currency.make(
        values,
        ("layer", "token"),
        measure="divergence",
        coords={"token_text": ("token", tokens)},
        long_name="Jensen–Shannon divergence from the final layer",
        units="bit",
        valid_min=0,
        valid_max=1,
        alignment="predicts",
        missing="nothing predicts the first token",
        layers=layers,
    )


def attention(tokens: list[str], *, heads: int = 0, seed: int = 1) -> xr.DataArray:
    """An attention map with a first token that draws most of it; per head, if there are any."""
    random = np.random.default_rng(seed)
    shape = (30, heads, len(tokens)) if heads else (30, len(tokens))
    values = random.gamma(0.8, 0.02, shape)
    values[..., 0] = random.uniform(0.3, 0.7, shape[:-1])
    return currency.make(
        np.clip(values, 0, 1),
        ("layer", "head", "token") if heads else ("layer", "token"),
        measure="attention_received",
        coords={"token_text": ("token", tokens)},
        long_name="attention received",
        valid_min=0,
        valid_max=1,
        alignment="reads",
        pooling="max",
    )


def settling(tokens: list[str], *, seed: int = 0) -> xr.DataArray:
    """The settling depth of every token of :func:`divergence` with the same seed."""
    under = divergence(tokens, seed=seed).values <= 0.5
    depth = np.where(np.arange(len(tokens)) > 0, under.argmax(axis=0) + 1.0, np.nan)
    return currency.make(
        depth,
        ("token",),
        measure="settling_depth",
        coords={"token_text": ("token", tokens)},
        long_name="settling depth",
        units="layer",
        valid_min=1,
        layers=30,
        valid_max=30,
        alignment="predicts",
        missing="nothing predicts the first token",
    )


def auroc(*, seed: int = 2) -> xr.DataArray:
    """A role map whose middle layers know most about the exact answer, with intervals."""
    random = np.random.default_rng(seed)
    layers = np.arange(31)
    strength = np.array([0.6, 0.3, 0.3, 0.7, 0.9, 1, 0.95, 0.2, 0.2, 0.1, 0.1, 0.3, 0.3, 0.2, 0.4])
    values = 0.5 + 0.42 * np.exp(-(((layers[:, None] - 15) / 8) ** 2)) * strength
    values = np.clip(values + random.normal(0, 0.012, values.shape), 0, 1)
    half = 1.96 * np.sqrt(values * (1 - values) / 200)
    dims = ("layer", "role")
    return currency.make(
        values,
        dims,
        measure="auroc",
        coords={
            "layer": layers,
            "role": list(currency.ROLES),
            "low": (dims, values - half),
            "high": (dims, np.minimum(values + half, 1)),
        },
        long_name="AUROC",
        valid_min=0,
        valid_max=1,
        null_value=0.5,
    )


def importance(*, size: int = 32, seed: int = 3) -> xr.DataArray:
    """Eight layer × head panels with a diagonal band of different sharpness."""
    random = np.random.default_rng(seed)
    away = np.abs(np.arange(size)[:, None] - np.arange(size))
    bands = [0.0042 * np.exp(-((away / width) ** 2)) for width in WIDTHS]
    values = np.array(bands) + random.uniform(0.0004, 0.0009, (len(bands), size, size))
    coords: dict[Any, Any] = {
        "function": list(FUNCTIONS),
        "layer": np.arange(size),
        "head": np.arange(size),
    }
    return currency.make(
        values,
        ("function", "layer", "head"),
        measure="importance",
        coords=coords,
        long_name="importance of attention heads",
    )


def difference(tokens: list[str]) -> xr.DataArray:
    """Two divergence maps, subtracted."""
    first, second = (divergence(tokens, seed=seed) for seed in (0, 4))
    return first.copy(data=first.values - second.values).assign_attrs(
        measure="difference",
        long_name="difference of divergence",
        null_value=0,
        valid_min=-1,
    )


@cache
def examples() -> dict[str, Example]:
    """Every kind of figure by its name, in the order of the gallery."""
    tokens, scripts = tokens_of(TEXT), tokens_of(SCRIPTS)
    long = [f" w{i}" for i in range(8192)]
    mark = "10:20,exact_answer_last:exact_answer_after_last"
    return {
        "layer_token": Example(
            "Layer × token",
            "The final layer of a divergence map is left out; a hatched cell has no value, for the "
            "reason in the legend.",
            divergence(tokens),
            Style(),
        ),
        "layer_token_reversed": Example(
            "Layer × token, colours reversed",
            "The same from dark (0) to light (1).",
            divergence(tokens),
            Style(direction="reversed"),
            "--direction reversed",
        ),
        "layer_role": Example(
            "Layer × role with a marked region",
            "The rectangle was asked for by its labels; dots mark intervals that exclude chance.",
            auroc(),
            Style(mark=(mark,)),
            f"--mark {mark}",
        ),
        "best_block": Example(
            "The best block",
            "The contiguous block that stands out most, found by the program.",
            auroc(),
            Style(mark=("best",), significance="none"),
            "--mark best --significance none",
        ),
        "layer_head_panels": Example(
            "A grid of layer × head panels",
            "One colour scale for all; values above its end share the top colour.",
            importance(),
            Style(limits=(0, 0.004)),
            "--limits 0 0.004",
        ),
        "heads_of_tokens": Example(
            "A panel per head",
            "A map of layer × head × token; the first token does not count for the colour limits.",
            attention(tokens[:16], heads=6),
            Style(),
        ),
        "measures_in_a_row": Example(
            "Several measures over the same tokens",
            "A panel per map, each with its own scale.",
            [divergence(tokens[:20]), attention(tokens[:20])],
            Style(),
        ),
        "depth_under_map": Example(
            "A map and a value per token below it",
            "Maps of one axis become bars under the map they belong to.",
            [divergence(tokens), settling(tokens)],
            Style(columns=1),
            "--columns 1",
        ),
        "settling_depth": Example(
            "One value per token",
            "Bars; a token without a value is hatched.",
            settling(tokens),
            Style(),
        ),
        "lines_with_intervals": Example(
            "Columns as lines",
            "One line per role along the layers, with their intervals.",
            auroc().sel(role=["last_q", "exact_answer_last", "-1"]),
            Style(kind="lines"),
            "--kind lines",
        ),
        "many_lines": Example(
            "Rows as lines",
            "One line per layer along the tokens; many lines are shaded in their order.",
            attention(tokens).isel(layer=slice(0, 12), token=slice(1, None)),
            Style(kind="lines", along="token"),
            "--kind lines --along token",
        ),
        "difference": Example(
            "A difference", "Diverging around a true zero.", difference(tokens), Style()
        ),
        "log_scale": Example(
            "A logarithmic scale",
            "The first token dominates attention; factors show the rest.",
            attention(tokens),
            Style(scale="log"),
            "--scale log",
        ),
        "percentiles": Example(
            "Limits at percentiles",
            "Both ends are printed, and how many cells lie beyond them.",
            attention(tokens),
            Style(scale="percentile", first_token="off_scale"),
            "--scale percentile --first-token off_scale",
        ),
        "long_text": Example(
            "8,192 tokens",
            "Neighbouring columns are pooled: of attention each shows its largest value, so no "
            "peak is lost.",
            attention(long),
            Style(first_token="leave_out", scale="log"),
            "--first-token leave_out --scale log",
        ),
        "scripts": Example(
            "Tokens of any script",
            "White space, LaTeX, emoji, parts of a character, every script, as one reads them.",
            divergence(scripts, layers=12),
            Style(),
        ),
    }
