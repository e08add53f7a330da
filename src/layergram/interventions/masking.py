"""Which heads are masked in a causal test, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, prod
from typing import Any

import numpy as np

from layergram.errors import LayergramError, check_seed, unknown_name
from layergram.interventions.scoring import SCORINGS
from layergram.models.edits import MASK, Head, HeadEdit, named

FEWEST_DRAWS = 2
CANDIDATES = 20  # random sets of which the one most alike in norm is taken, at most


@dataclass(frozen=True)
class Masking:
    """How heads are masked, and how the effect is measured.

    Attributes:
        how: ``mean``, ``scale`` or ``zero`` (:data:`layergram.models.edits.HOW`).
        factor: of ``scale``.
        positions: ``every``, or ``last`` while the model generates (``scoring="generated"``).
        draws: how many random sets of heads to compare with; with fewer than 19 no p can be 0.05.
        doses: so many of the top heads are masked by themselves too, each beside random sets.
        scoring: ``forced`` or ``generated`` (:data:`layergram.interventions.scoring.SCORINGS`).
        seed: of the draws, and of the bootstrap.
        resamples: of the bootstrap over main questions.
        level: of the intervals.
    """

    how: str = "mean"
    factor: float = MASK
    positions: str = "every"
    draws: int = 39
    doses: tuple[int, ...] = (1, 2, 4, 8)
    scoring: str = "forced"
    seed: int = 0
    resamples: int = 2000
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what cannot be tested."""
        check_seed(self.seed)
        for kind, name, known in (
            ("way to mask a head", self.how, ("mean", "scale", "zero")),
            ("scoring of answers", self.scoring, SCORINGS),
        ):
            if name not in known:
                raise unknown_name(kind, name, known)
        if self.draws < FEWEST_DRAWS:
            raise LayergramError(
                f"{self.draws} draws of other heads",
                allowed=f"{FEWEST_DRAWS} or more: one draw does not say how far draws differ",
            )
        if not all(dose > 0 for dose in self.doses):
            raise LayergramError(f"doses of {self.doses} heads", allowed="1 or more each")
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


def random_heads(
    own: Sequence[Head],
    norms: Mapping[Head, float],
    *,
    draws: int,
    seed: Sequence[int],
) -> list[list[Head]]:
    """Random sets of heads: as many from each layer as the own ones, and about as loud.

    Each is the one of 20 sets whose summed norm is nearest that of the own heads (of fewer where
    there are not many sets, or it would always be the same one). Sets are drawn as
    if the own heads had not been chosen, so one of them may be in a set: only then are own heads
    that were chosen for nothing one more random set.

    Args:
        own: the heads to compare with, (layer, head).
        norms: mean length of what each head of the model writes, ‖output · W_O‖.
        draws: how many sets.
        seed: of the draws.

    Raises:
        LayergramError: where the layers have no other heads.
    """
    layers = {layer: sum(at == layer for at, _ in own) for layer, _ in sorted(own)}
    pools = {at: [head for head in norms if head[0] == at] for at in layers}
    sets = prod(comb(len(pools[at]), count) for at, count in layers.items())
    if sets == 1:
        raise LayergramError(
            f"random heads beside {named(own)}",
            got="layers without other heads",
            do="mask fewer heads with --top",
        )
    candidates = max(1, min(CANDIDATES, sets // 10))
    loudness = sum(norms[head] for head in own)
    found = []
    for draw in range(draws):
        random = np.random.default_rng([*seed, draw])
        # the first so many of each layer's heads in as many random orders as there are candidates
        orders = {at: random.random((candidates, len(pools[at]))).argsort(1) for at in layers}
        tried = [
            sorted(pools[at][n] for at, count in layers.items() for n in orders[at][row, :count])
            for row in range(candidates)
        ]
        found.append(min(tried, key=lambda heads: abs(sum(norms[h] for h in heads) - loudness)))
    return found
