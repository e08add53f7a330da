"""What a fitted lens gains over the logit lens, on texts that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram import maps
from layergram.engine.lens import Lens
from layergram.engine.run import read
from layergram.engine.views import LensView
from layergram.experiments.lenses.pieces import Ids
from layergram.measures.lens import NAMES, divergence
from layergram.models.model import Model
from layergram.statistics.arrays import Values
from layergram.statistics.intervals import mean_interval

COLUMNS = ("layer", "logit", "fitted", "lowered", "low", "high")


class DivergenceSums:
    """The divergence of every layer summed over the tokens of one text; a collector of the engine.

    Args:
        layers: L.
    """

    needs = ("lens",)

    def __init__(self, layers: int) -> None:
        self.sums, self.counts = np.zeros(layers), np.zeros(layers)

    def take(self, view: LensView) -> None:
        """Add the tokens of one block."""
        bits = divergence(view)
        self.sums[view.layer - 1] += float(bits.double().sum())
        self.counts[view.layer - 1] += len(bits)


def divergence_sums(
    model: Model, texts: Sequence[Sequence[Ids]], lens: Lens | None
) -> tuple[Values, Values]:
    """Sums and counts [text, layer] of the divergence from the final layer, in bits.

    Args:
        model: the model.
        texts: the pieces of each text.
        lens: the lens; the logit lens by default.
    """
    collectors = [DivergenceSums(model.layers) for _ in texts]
    pieces = [piece for text in texts for piece in text]
    own = [[one] for one, text in zip(collectors, texts, strict=True) for _ in text]
    for _ in read(model, pieces, own, lens=lens):
        pass
    return np.stack([one.sums for one in collectors]), np.stack([one.counts for one in collectors])


@dataclass(frozen=True)
class Gain:
    """The divergences of texts with the logit lens and with a fitted one.

    Attributes:
        usual: [text, layer], summed over tokens, in bits, with the logit lens.
        fitted: the same with the fitted one.
        counts: [text, layer], how many tokens.
    """

    usual: Values
    fitted: Values
    counts: Values

    def table(self) -> pd.DataFrame:
        """The means of every layer, and how much lower that of the fitted lens is.

        ``low`` and ``high`` are the ends of a 95 % interval of ``lowered`` over texts.
        """
        lowered, low, high = mean_interval(self.usual - self.fitted, self.counts)
        total = self.counts.sum(0)
        means = self.usual.sum(0) / total, self.fitted.sum(0) / total
        columns = (range(1, len(total) + 1), *means, lowered, low, high)
        return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    def of_middle(self) -> dict[str, float]:
        """The same as one number each, over the layers of the middle third."""
        own = [layer - 1 for layer in middle(self.usual.shape[1])]
        parts = [
            one[:, own].sum(1, keepdims=True) for one in (self.usual, self.fitted, self.counts)
        ]
        row = Gain(*parts).table().iloc[0]
        return {name: float(row[name]) for name in COLUMNS[1:]}


def gain(model: Model, texts: Sequence[Sequence[Ids]], lens: Lens) -> Gain:
    """The divergences of some texts, in pieces, with the logit lens and with a fitted one."""
    usual, counts = divergence_sums(model, texts, None)
    return Gain(usual, divergence_sums(model, texts, lens)[0], counts)


def middle(layers: int) -> range:
    """The layers of the middle third.

    Example:
        >>> middle(30)
        range(11, 21)
    """
    return range(layers // 3 + 1, layers - layers // 3 + 1)


def lowered_map(
    table: pd.DataFrame, kind: str, texts: int, made_from: dict[str, Any]
) -> xr.DataArray:
    """A map [layer] of how much lower the mean divergence is than with the logit lens."""
    return maps.make(
        table["lowered"].to_numpy(),
        ("layer",),
        measure="divergence_lowered",
        coords={
            "layer": table["layer"].to_numpy(),
            "low": ("layer", table["low"].to_numpy()),
            "high": ("layer", table["high"].to_numpy()),
        },
        long_name=f"divergence lowered by the {NAMES[kind]}",
        units="bit",
        valid_min=-1.0,
        valid_max=1.0,
        null_value=0.0,
        averaged=f"A cell is the mean over the tokens of {texts} texts that the lens was not "
        "fitted on; its ends low and high are a 95 % interval over texts.",
        definition="Mean Jensen–Shannon divergence from the final layer with the logit lens, less "
        f"that with the {NAMES[kind]}.",
        **made_from,
    )
