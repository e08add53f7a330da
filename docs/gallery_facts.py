"""One example of every kind of fact: a small map made by a formula, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.words.fact import registry
from layergram.words.find import facts
from layergram.words.names import Names
from layergram.words.phrases import sentence


@dataclass(frozen=True)
class Example:
    """A kind of fact: its description, a map that shows it, the name of the map's picture, and
    the sentences of that kind in Markdown.
    """

    title: str
    map: xr.DataArray
    picture: str
    words: str


WORDS = ["The", " sum", " of", " 8", " and", " 5", " is", " 13", " and", " not", " 12", "."]


def _noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def _tokens(values: Any, measure: str = "amount", **attributes: Any) -> xr.DataArray:
    texts = [WORDS[at % len(WORDS)] for at in range(values.shape[-1])]
    coords: dict[Hashable, Any] = {"token_text": ("token", texts)}
    return maps.make(values, ("layer", "token"), measure=measure, coords=coords, **attributes)


def _auroc(values: Any, roles: list[str], **attributes: Any) -> xr.DataArray:
    named: dict[str, Any] = {"long_name": "AUROC", "valid_min": 0, "valid_max": 1, **attributes}
    return maps.make(values, ("layer", "role"), measure="auroc", coords={"role": roles}, **named)


def banded() -> xr.DataArray:
    """Three bands of layers at 0.1, 0.8 and 0.4, the lowest of them uniform."""
    level = np.repeat([0.1, 0.8, 0.4], 6)[:, None]
    wide = np.repeat([0.01, 0.15, 0.15], 6)[:, None]
    return _tokens(level + wide * _noise(18, 12))


def bent() -> xr.DataArray:
    """Four roles that fall until layer 10 and rise after it, three of them close together."""
    course = np.abs(np.arange(1, 17) - 10)[:, None] / 25 + 0.5
    values = course + np.array([0.12, 0.0, 0.0, 0.01]) + 0.01 * _noise(16, 4)
    roles = ["last_q", "exact_answer_first", "exact_answer_last", "exact_answer_after_last"]
    return _auroc(values, roles)


def peaked() -> xr.DataArray:
    """Little everywhere, with high cells in layers 5 and 11."""
    values = 0.1 + 0.05 * _noise(16, 12)
    values[4, 2:5] += [0.5, 0.8, 0.5]
    values[10, 7:10] += [0.4, 0.7, 0.4]
    return _tokens(values)


def columned() -> xr.DataArray:
    """One token far above the rest at most layers, one far below, and a block at the end."""
    values = 0.5 + 0.08 * _noise(16, 12)
    values[:12, 7] += 0.4
    values[:, 2] -= 0.3
    values[9:14, 9:11] += 0.3
    return _tokens(values)


def sparse() -> xr.DataArray:
    """Nearly nothing but for eight cells."""
    values = 0.01 * (1 + _noise(16, 12))
    values.flat[5::25] = 1.0
    return _tokens(values)


def moving() -> xr.DataArray:
    """A hump that moves from the first tokens to the last with depth."""
    layer, token = np.mgrid[0:16, 0:12]
    return _tokens(np.exp(-((token - layer * 11 / 15) ** 2) / 6) + 0.05 * (1 + _noise(16, 12)))


def settling() -> xr.DataArray:
    """A divergence map: near 1 at the bottom, near 0 from a depth on that differs by token."""
    depth = np.array([3, 6, 4, 20, 7, 22, 9, 21, 5, 12, 19, 8])
    values = 1 / (1 + np.exp(np.arange(1, 25)[:, None] - depth))
    values[:, 0] = np.nan
    reason = {"missing": "nothing predicts the first token"}
    return _tokens(values, "divergence", units="bit", valid_min=0, valid_max=1, **reason)


def depths() -> xr.DataArray:
    """Settling depths of twelve tokens, with their deep-thinking ratio."""
    values = np.array([3, 6, 4, 20, 7, 22, 9, 21, 5, 12, 19, 8.0])
    ratio: dict[str, Any] = {
        "deep_thinking_ratio": 2 / 12,
        "deep_thinking_layer": 21,
        "deep_thinking_tokens": 12,
    }
    coords: dict[Hashable, Any] = {"token_text": ("token", WORDS)}
    return maps.make(
        values, ("token",), measure="settling_depth", coords=coords, units="layer", **ratio
    )


def sinking() -> xr.DataArray:
    """Attention that goes to the first token for the most part."""
    values = 0.04 * (1 + 0.5 * _noise(16, 12))
    values[:, 0] = np.linspace(0.2, 0.8, 16)
    return _tokens(values, "attention_received", valid_min=0, valid_max=1)


def difference() -> xr.DataArray:
    """A difference of two maps, with p-values of the whole map."""
    values = 0.1 * _noise(16, 12)
    values[8:12, 3:6] += 0.4
    chance = np.where(np.abs(values) > 0.2, 0.001, 0.5)
    p_value = (("layer", "token"), chance, {"holds_for": "map"})
    coords: dict[Hashable, Any] = {"p_value": p_value}
    return maps.make(
        values, ("layer", "token"), measure="difference", coords=coords, null_value=0.0
    )


def rounded() -> xr.DataArray:
    """A difference of two maps that is rounding in all but three tokens."""
    values = 0.3 + 0.2 * np.abs(_noise(16, 12))
    other = values + 1e-7 * _noise(16, 12, seed=1)
    other[4:, 6:9] -= 0.1
    first, second = (
        _tokens(x, "divergence", units="bit", valid_min=0, valid_max=1, dtype="float32")
        for x in (values, other)
    )
    return maps.difference(first, second)


def diagonal() -> xr.DataArray:
    """Three panels with a diagonal band of growing width and so of different level."""
    layer, head = np.mgrid[0:16, 0:16]
    inside = (layer >= 3) & (layer <= 13)
    widths = {"Retrieval": 0.5, "Inference": 1.2, "Recall": 2.5}
    bands = [inside * np.exp(-((layer - head) ** 2) / (2 * w**2)) for w in widths.values()]
    values = np.stack(bands) + 0.02 * (1 + _noise(3, 16, 16))
    return maps.make(
        values,
        ("function", "layer", "head"),
        measure="importance",
        coords={"function": list(widths)},
    )


def heads() -> xr.DataArray:
    """What heads look at: a few of them at one thing, with intervals."""
    values = 0.05 * (1 + 0.5 * _noise(8, 6))
    values[2, 4], values[4, 1], values[6, 3] = 0.91, 0.72, 0.38
    coords: dict[Hashable, Any] = {
        "low": (("layer", "head"), values * 0.9),
        "high": (("layer", "head"), np.minimum(values * 1.1, 1)),
    }
    return maps.make(
        values, ("layer", "head"), measure="attention_previous", coords=coords, valid_min=0,
        valid_max=1,
    )  # fmt: skip


def changes() -> xr.DataArray:
    """A change with an interval for each cell of its own."""
    values = 0.1 * _noise(8, 8)
    values[2, 4] = -0.8
    dims = ("masked", "function")
    coords: dict[Hashable, Any] = {
        "masked": [f"M{at}" for at in range(8)],
        "function": [f"F{at}" for at in range(8)],
        "low": (dims, values - 0.2),
        "high": (dims, values + 0.2),
    }
    return maps.make(values, dims, measure="change", coords=coords, null_value=0.0, units="nat")


def ranks() -> xr.DataArray:
    """Ranks of the token that follows, which fall with depth."""
    depth = np.array([3, 6, 4, 30, 7, 22, 9, 21, 5, 12, 19, 8])
    values = np.ceil(np.maximum(1, 10.0 ** ((depth - np.arange(1, 25)[:, None]) / 6)))
    return _tokens(values, "lens_rank", valid_min=1)


def norms() -> xr.DataArray:
    """Norms that grow with depth, those of the first token much more."""
    values = 40 * 1.15 ** np.arange(16)[:, None] * (1 + 0.1 * _noise(16, 12))
    values[2:, 0] *= 80
    return _tokens(values, "residual_norm", valid_min=0)


def roles() -> xr.DataArray:
    """A role map that says which roles are the same token, and what nested choice gives."""
    values = 0.7 + 0.2 * np.linspace(0, 1, 16)[:, None] + 0.01 * _noise(16, 4)
    values[:, 0] -= 0.1
    names = ["last_q", "exact_answer_first", "exact_answer_last", "-3"]
    about: dict[str, Any] = {"chosen_auroc": 0.86, "chosen_low": 0.81, "chosen_high": 0.90}
    about["same_token"] = {"exact_answer_last": {"-3": 0.77, "exact_answer_first": 0.31}}
    return _auroc(values, names, **about)


def trained() -> xr.DataArray:
    """A map that differs from those of random weights at three layers of a token."""
    values = 0.5 + 0.02 * _noise(12, 8)
    values[5:8, 3] = 0.9
    return _tokens(values)


CONTROLS = {trained: [_tokens(0.5 + 0.02 * _noise(12, 8, seed=at)) for at in range(1, 20)]}
"""Maps of random weights that a map is compared with."""

EXAMPLES: dict[str, Callable[[], xr.DataArray]] = {
    "level": banded,
    "extremes": peaked,
    "dominance": sinking,
    "missing": settling,
    "signs": difference,
    "likeliest": ranks,
    "settling": settling,
    "deep_thinking": depths,
    "receiver": sinking,
    "growth": norms,
    "chosen": roles,
    "contrast": roles,
    "top_heads": heads,
    "leaders": heads,
    "diagonal": diagonal,
    "pointwise": changes,
    "departs": columned,
    "significant": difference,
    "beyond_controls": trained,
    "bands": banded,
    "uniform": banded,
    "trend": bent,
    "column_trend": bent,
    "direction": settling,
    "together": bent,
    "same_token": roles,
    "peaks": peaked,
    "strongest": columned,
    "focus": moving,
    "concentration": sparse,
    "panel_levels": diagonal,
    "equal": rounded,
}
"""Which map shows which kind of fact."""


def examples() -> list[Example]:
    """One example of every kind of fact, in the order of the gallery."""
    made = {make: make() for make in EXAMPLES.values()}
    pictures = {make: f"map_{number}" for number, make in enumerate(made, start=1)}
    told = {make: facts(array, controls=CONTROLS.get(make, ())) for make, array in made.items()}
    shown = []
    for name, make in EXAMPLES.items():
        names = Names(made[make])
        words = [sentence(fact, names) for fact in told[make] if fact.kind == name]
        if registry()[name].section == "tested":
            words.append(told[make].null)
        title = registry()[name].description
        shown.append(Example(title, made[make], pictures[make], " ".join(words)))
    return shown
