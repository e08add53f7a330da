"""How a lens is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from layergram.errors import LayergramError, check_seed, unknown_name

AROUND = ("mean", "zero")


@dataclass(frozen=True)
class LensOptions:
    """How a lens is fitted.

    Attributes:
        length: tokens of the pieces that texts are cut into.
        held_out: share of the texts that the lens is tried on and not fitted on.
        steps: of a tuned lens: steps of the descent on KL(final ‖ lens) after the least-squares
            start.
        rows: of a tuned lens: tokens of one step.
        rate: of a tuned lens: learning rate at the first step; it falls to 0 at the last.
        rounds: of a Jacobian lens: in how many pieces each direction of the stream is followed.
        around: of a Jacobian lens: ``mean`` carries the mean stream of a layer to the mean
            final stream, J (h − m_l) + m_L; ``zero`` adds nothing constant, J h, as published.
        seed: of the split and of all draws.
    """

    length: int = 64
    held_out: float = 0.1
    steps: int = 60
    rows: int = 64
    rate: float = 1e-3
    rounds: int = 12
    around: str = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        least = {"length": 8, "steps": 0, "rows": 1, "rounds": 2}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise LayergramError(f"{name} = {getattr(self, name)}", allowed=f"at least {low}")
        if not 0 < self.held_out <= 0.3:
            raise LayergramError(f"held_out = {self.held_out}", allowed="above 0, at most 0.3")
        if not 0 < self.rate < 1:
            raise LayergramError(f"rate = {self.rate}", allowed="above 0, below 1")
        if self.around not in AROUND:
            raise unknown_name("stream to read a lens around", self.around, AROUND)
        check_seed(self.seed)
