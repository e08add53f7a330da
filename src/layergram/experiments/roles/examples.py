"""What probes of a role map are trained on: answers or texts of two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import probes
from layergram.answers.judge import Row
from layergram.probes.published_recipe import PAPER
from layergram.statistics.auroc import REFERENCES

CLASSES = ("right answers", "wrong answers")


@dataclass(frozen=True)
class Examples:
    """Answers or texts of two classes, with the tokens of their roles.

    Attributes:
        name: of the question set, or of the labelled set.
        rows: their ids, roles and texts.
        positive: whether each is of the positive class [example].
        classes: what the negative and the positive class are called, in the plural.
        rivals: name -> another way to tell the classes apart, in words, and its score of each
            example, higher for the positive class.
        of: what they are: ``"answers"`` of the model, or labelled ``"texts"``.
        warnings: what a reader of the set should know, in sentences.
    """

    name: str
    rows: list[Row]
    positive: npt.NDArray[np.bool_]
    classes: tuple[str, str] = CLASSES
    rivals: Mapping[str, tuple[str, npt.NDArray[np.float64]]] = field(default_factory=dict)
    of: Literal["answers", "texts"] = "answers"
    warnings: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """What is left out of training together, in the plural."""
        return "questions" if self.of == "answers" else "texts"

    @property
    def texts(self) -> list[str]:
        """The words of each example: the question, if there is one, and the answer or text."""
        return [f"{row.question}\n{row.reply}" for row in self.rows]

    @property
    def groups(self) -> list[str]:
        """The group of each example."""
        return [row.group for row in self.rows]

    def same_token(self, roles: Sequence[str]) -> dict[str, dict[str, float]]:
        """For each role, the later roles that are the same token, with the share of examples.

        The share is of the examples that have both roles; pairs that never coincide are left out.
        """
        places = np.array([[row.roles.get(role, -1) for role in roles] for row in self.rows])
        found: dict[str, dict[str, float]] = {}
        for (i, one), (j, other) in combinations(enumerate(roles), 2):
            both = (places[:, i] >= 0) & (places[:, j] >= 0)
            share = float((places[both, i] == places[both, j]).mean()) if both.any() else 0.0
            if share:
                found.setdefault(one, {})[other] = share
        return found

    @property
    def about(self) -> dict[str, str]:
        """What a role map of these classes shows, beside what a map of any features does."""
        negative, positive = self.classes
        return {
            "definition": "Chance that a linear probe on the hidden state at this layer and token "
            f"role ranks {positive} above {negative}, one of each drawn at random, in groups of "
            f"{self.noun} that the probe was not trained on.",
            "caveat": f"A high AUROC says that the state allows telling {positive} from {negative} "
            "by a linear rule, not that the model uses it, nor that the rule carries over to other "
            f"{self.noun}; compare it with the controls, and with layer 0, which sees one token.",
            "references": f"{PAPER}; {REFERENCES}",
        }

    def evaluate(self, features: Any, evaluation: probes.Evaluation, **more: Any) -> xr.Dataset:
        """Probes that tell the classes apart, as :func:`layergram.probes.evaluate` trains them.

        Args:
            features: a map of cells [example, layer, role or head, feature], or the features of
                one probe [example, feature].
            evaluation: how to train and test.
            **more: as there.
        """
        if not isinstance(features, xr.DataArray):
            features = np.asarray(features)[:, None, None]
        return probes.evaluate(
            features,
            self.positive,
            groups=self.groups,
            labels=self.classes,
            evaluation=evaluation,
            **more,
        )
