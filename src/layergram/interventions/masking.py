"""Which heads are masked in a causal test, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergram.errors import LayergramError, check_seed, unknown_name
from layergram.interventions.scoring import SCORINGS
from layergram.models.edits import MASK, Head, HeadEdit, editable_heads
from layergram.models.model import Model

OTHERS = {
    "any": "any heads that are not among the function's own",
    "same_layers": "such heads from the same layers, as many of each as there are",
}
"""Which random heads are masked to compare with, in words."""

FEWEST_DRAWS = 2


@dataclass(frozen=True)
class Masking:
    """How heads are masked, and how the effect is measured.

    Attributes:
        how: ``scale``, ``zero`` or ``mean`` (:data:`layergram.models.edits.HOW`).
        factor: of ``scale``.
        positions: ``every``, or ``last`` while the model generates (``scoring="generated"``).
        others: which random heads to compare with (:data:`OTHERS`).
        draws: how many sets of them.
        scoring: ``forced`` or ``generated`` (:data:`layergram.interventions.scoring.SCORINGS`).
        seed: of the draws, and of the bootstrap.
        resamples: of the bootstrap over main questions.
        level: of the intervals.
    """

    how: str = "scale"
    factor: float = MASK
    positions: str = "every"
    others: str = "any"
    draws: int = 5
    scoring: str = "forced"
    seed: int = 0
    resamples: int = 2000
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what cannot be tested."""
        check_seed(self.seed)
        for kind, name, known in (
            ("way to mask a head", self.how, ("scale", "zero", "mean")),
            ("choice of other heads", self.others, OTHERS),
            ("scoring of answers", self.scoring, SCORINGS),
        ):
            if name not in known:
                raise unknown_name(kind, name, known)
        if self.draws < FEWEST_DRAWS:
            raise LayergramError(
                f"{self.draws} draws of other heads",
                allowed=f"{FEWEST_DRAWS} or more: one draw does not say how far draws differ",
            )
        if self.positions == "last" and self.scoring == "forced":
            raise LayergramError(
                "masking at the last position, scored on the given answers",
                got="a score that reads whole answers at once, where the last position is padding",
                do="mask at every position, or score generated answers",
            )

    def edit(self, heads: Sequence[Head], means: Sequence[Any]) -> HeadEdit:
        """The edit that masks these heads."""
        vectors = []
        for layer, head in heads if self.how == "mean" else ():
            of_layer = means[layer - 1]
            if of_layer is not None:
                vectors.append(of_layer[head])
        return HeadEdit(tuple(heads), self.how, self.factor, vectors, self.positions)


def other_heads(
    model: Model, own: Sequence[Head], masking: Masking, place: int
) -> list[list[Head]]:
    """Random other heads, as many as the own ones, for every draw."""
    rest = [head for head in editable_heads(model.parts) if head not in set(own)]
    pools: list[tuple[list[Head], int]] = [(rest, len(own))]
    if masking.others == "same_layers":
        layers = sorted({layer for layer, _ in own})
        pools = [
            ([head for head in rest if head[0] == layer], sum(head[0] == layer for head in own))
            for layer in layers
        ]
    if any(len(pool) < count for pool, count in pools):
        raise LayergramError(
            f"{len(own)} random other heads beside {len(own)} top heads",
            got=f"a model of {len(rest) + len(own)} heads"
            + (", too few of them in one of the same layers" if len(pools) > 1 else ""),
            do="mask fewer heads with --top" + (", or compare with any" if len(pools) > 1 else ""),
        )
    found = []
    for draw in range(masking.draws):
        random = np.random.default_rng([masking.seed, place, draw])
        heads = [pool[at] for pool, count in pools for at in random.permutation(len(pool))[:count]]
        found.append(sorted(heads))
    return found
