"""A trained probe: fit it, keep it in a file, apply it to new examples."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes.calibration import calibration, calibration_record, platt, probability
from layergram.probes.comparison import OutOfFold
from layergram.probes.crossfit import Evaluation, assign_folds
from layergram.probes.grid import CLASSES, Names, examples_of
from layergram.probes.logistic import logistic
from layergram.probes.results import class_counts
from layergram.statistics.arrays import Values

SCHEMA = 1
ARRAYS = ("weights", "mean", "scale")


@dataclass(frozen=True)
class Probe:
    """A linear probe of one layer and token role, with calibrated probabilities.

    Attributes:
        weights: coefficients of the standardised features [feature].
        bias: intercept.
        mean: mean of each feature where the probe was trained [feature].
        scale: what each feature is divided by [feature].
        slope: what log odds are multiplied by to become calibrated.
        offset: and what is added then.
        layer: the layer it reads.
        role: the token role it reads.
        provenance: how it was made: model, question set, options, counts, AUROC; ``calibration``,
            how well its probabilities hold on examples that had no part in them: ``brier``,
            ``brier_base_rate``, ``reliability``.
    """

    weights: Values
    bias: float
    mean: Values
    scale: Values
    slope: float = 1.0
    offset: float = 0.0
    layer: int = 0
    role: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def score(self, features: npt.ArrayLike) -> Values:
        """Log odds of the positive class as the probe was trained; NaN for rows with NaN.

        Args:
            features: numbers [..., feature].

        Raises:
            LayergramError: for another number of features.
        """
        values = np.asarray(features, dtype=np.float64)
        if values.shape[-1:] != self.weights.shape:
            raise LayergramError(
                "scores of a probe",
                got=f"features of shape {values.shape}",
                allowed=f"{self.weights.size} features, those of layer {self.layer}",
                do="apply it to the model that it was trained on",
            )
        return np.asarray((values - self.mean) / self.scale @ self.weights + self.bias)

    def probability(self, features: npt.ArrayLike) -> Values:
        """Probability of the positive class [...]; NaN for rows with NaN.

        It is calibrated on examples that the probe had not seen: of examples that get 0.7, about
        70 % are positive, if they are like those that it was trained on.

        Example:
            >>> probe = Probe(np.array([2.0]), 0.0, np.array([1.0]), np.array([0.5]))
            >>> probe.probability([[1.0], [2.0]]).round(2).tolist()
            [0.5, 0.98]
        """
        return probability(self.score(features), self.slope, self.offset)

    def save(self, path: str | Path) -> Path:
        """Write the probe to an ``.npz`` file, which appears only when it is whole.

        Raises:
            LayergramError: for another suffix, or where the file cannot be written.
        """
        path = _suffixed(path)
        plain = {name: value for name, value in asdict(self).items() if name not in ARRAYS}
        text = json.dumps({"schema": SCHEMA, **plain}, ensure_ascii=False)
        arrays = {name: getattr(self, name) for name in ARRAYS}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with maps.replacing(path) as temporary:
                np.savez(temporary, allow_pickle=False, about=np.array(text), **arrays)
        except OSError as error:
            raise LayergramError(
                f"to write '{path}'",
                got=str(error.strerror or error),
                do="choose a folder that can be written",
            ) from None
        return path


def load_probe(path: str | Path) -> Probe:
    """Read a probe that :meth:`Probe.save` wrote.

    Raises:
        LayergramError: for no such file, or a file that is not a probe.
    """
    path = _suffixed(path)
    asked = f"the probe '{path}'"
    if not path.is_file():
        raise LayergramError(asked, got="no such file", do="check the path")
    try:
        with np.load(path, allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            arrays = {name: kept[name].astype(np.float64) for name in ARRAYS}
        if about.pop("schema") != SCHEMA or len({array.shape for array in arrays.values()}) != 1:
            raise ValueError("a layout of another version")
        return Probe(**arrays, **about)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise LayergramError(
            asked,
            got=f"a file that is not a probe ({type(error).__name__}: {error})",
            allowed="a file that layergram saved a probe to",
        ) from None


def _suffixed(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise LayergramError(f"the probe '{path}'", got=f"suffix '{path.suffix}'", allowed=".npz")
    return path


def fit(
    features: npt.ArrayLike,
    positive: Any,
    *,
    groups: Any,
    labels: Names = CLASSES,
    evaluation: Evaluation | None = None,
    layer: int = 0,
    role: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> Probe:
    """Train a probe on all examples, and calibrate it on those that its folds left out.

    Coefficients of a probe with many features separate what they were trained on, so their own log
    odds are far too large. A second regression, of the label on the out-of-fold log odds
    (Platt 1999), turns them into probabilities; where they say nothing, it is the base rate.

    Args:
        features: finite numbers of one layer and role [example, feature]; examples with NaN are
            left out.
        positive: whether an example is of the positive class [example].
        groups: what belongs together [example].
        labels: what the negative and the positive class are called.
        evaluation: folds, penalty, scale, seed and device.
        layer: the layer that the features come from.
        role: the role that they come from.
        provenance: what else to keep with the probe, as plain values.

    Raises:
        LayergramError: as :func:`evaluate`, or for features that are infinite.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(200) % 2 == 0
        >>> features = generator.normal(size=(200, 4)) + wrong[:, None]
        >>> probe = fit(features, wrong, groups=np.arange(200), layer=3, role="-1")
        >>> probe.probability([[1.5] * 4, [-0.5] * 4]).round(1).tolist()
        [1.0, 0.0]
    """
    evaluation = evaluation or Evaluation()
    values, truth, numbers = examples_of(features, positive, groups, labels)
    rows = assign_folds(truth, numbers, labels, evaluation)
    every = [rows.folds != fold for fold in range(evaluation.folds)] + [np.ones_like(truth)]
    trained = np.stack(every)
    fits = logistic(
        torch.as_tensor(values, device=evaluation.device),
        torch.as_tensor(truth, device=evaluation.device).expand(len(trained), -1),
        torch.as_tensor(trained, device=evaluation.device),
        c=evaluation.c,
        scale=evaluation.scale,
    )
    held_out = fits.log_odds.cpu().numpy()[rows.folds, np.arange(truth.size)]
    slope, offset = platt(held_out, truth)
    no_gain = np.zeros((1, evaluation.folds, evaluation.folds))
    scored = OutOfFold(truth, numbers, rows.folds[None], held_out[None], no_gain)
    weights, bias = fits.weights[-1].cpu().numpy(), float(fits.bias[-1])
    mean = values.mean(0, dtype=np.float64)
    spread = values.std(0, dtype=np.float64)
    scale = np.where((spread > 0) & (evaluation.scale == "standard"), spread, 1.0)
    made = {
        "version": maps.layergram_version(),
        "options": asdict(evaluation),
        "classes": class_counts(truth, labels),
        "calibration": calibration_record(calibration(scored)),
    }
    return Probe(
        weights * scale,
        bias + float(mean @ weights),
        mean,
        scale,
        slope,
        offset,
        layer,
        role,
        {**made, **(provenance or {})},
    )
