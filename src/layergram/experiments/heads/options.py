"""How head maps are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from layergram.errors import LayergramError
from layergram.experiments.heads.all_heads_probe import Training
from layergram.interventions.masking import Masking
from layergram.probes import Evaluation

SPLITS = {
    "templates": "templates that the probe was not trained on",
    "questions": "main questions that the probe was not trained on",
}
"""What probes and masking are tested on, in words."""


@dataclass(frozen=True)
class HeadMapOptions:
    """How head maps are made.

    Attributes:
        tokens: which tokens of the answers heads are looked at for
            (:data:`layergram.features.head_outputs.ANSWER_TOKENS`, or a number).
        chat: ``auto``, ``template`` or ``plain``.
        answers: ``given`` reads the given answers, ``own`` those that the model gives itself.
        evaluation: how the probes of single heads are trained and tested; its folds and seed hold
            for the probe of all heads too.
        training: how the probe of all heads is trained.
        top: how many top heads a function has. If ``None``, those before the elbow of the sorted
            importance, and none where importance says nothing (:mod:`.top_heads`).
        masking: how they are masked; no causal test where ``None``.
        split: ``templates`` tests probes and masking on templates that they were not made from,
            where the steps have enough of them; ``questions`` on other main questions.
        test_share: share of the templates or main questions that test the masking and make no map.
        sweep: ``"none"``, or ``"each"`` to mask every head by itself as well.
    """

    tokens: str | int = "content"
    chat: str = "auto"
    answers: str = "given"
    evaluation: Evaluation = field(
        default_factory=lambda: Evaluation(permutations=200, partitions=1)
    )
    training: Training = field(default_factory=Training)
    top: int | None = None
    masking: Masking | None = field(default_factory=Masking)
    split: str = "templates"
    test_share: float = 0.25
    sweep: str = "none"

    @property
    def tests(self) -> bool:
        """Whether steps are put aside to test masking."""
        return self.masking is not None or self.sweep != "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.answers == "own" and self.masking and self.masking.scoring == "generated":
            raise LayergramError(
                "own answers that are compared with the model's own answers",
                do="read the given answers, or score the answers as they are read",
            )
        allowed = {
            "answers": (self.answers in ("given", "own"), "given, own"),
            "split": (self.split in SPLITS, ", ".join(SPLITS)),
            "sweep": (self.sweep in ("none", "each"), "none, each"),
            "top": (self.top is None or self.top > 0, "1 or more"),
            "test_share": (0.1 <= self.test_share <= 0.5, "0.1 to 0.5"),
        }
        for name, (fits, range_) in allowed.items():
            if not fits:
                raise LayergramError(f"{name} = {getattr(self, name)!r}", allowed=range_)
