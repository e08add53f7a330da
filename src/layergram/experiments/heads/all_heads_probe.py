"""The published probe of all heads at once, and what each head contributes to its decisions."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from layergram.errors import LayergramError

Values = npt.NDArray[np.float64]
Classes = npt.NDArray[np.intp]

SHARED, HIDDEN, DROPOUT = 64, 512, 0.3


@dataclass(frozen=True)
class Training:
    """How the probe of all heads is trained.

    Attributes:
        epochs: most passes over the training steps; published: 100.
        gain: how much lower, in nats, the loss on the validation steps has to become
        patience: within so many passes for training to go on; the weights with the lowest loss
            are kept.
        rate: learning rate of AdamW.
        batch: steps per update.
        seed: of weights, order and dropout; each fold adds its own number.
    """

    epochs: int = 100
    gain: float = 0.01
    patience: int = 3
    rate: float = 1e-4
    batch: int = 64
    seed: int = 0


@dataclass(frozen=True)
class Joint:
    """What probes of all heads say about steps that they were not trained on.

    Attributes:
        predicted: the function each step is held for, as a number [step].
        contributions: gradient × (activation − its mean over training steps) of every head for the
            step's own function [step, layer, head]; NaN where there is no such head.
        folds: the fold of each step, whose probe saw none of it [step].
        epochs: passes that each fold's probe took.
    """

    predicted: Classes
    contributions: Values
    folds: Classes
    epochs: list[int]


class JointProbe(nn.Module):  # type: ignore[misc]
    """Every head's numbers through one shared linear map, then all together through two layers.

    Linear from the head's numbers to 64, the same for all heads; flattened; linear to 512, ReLU,
    dropout 0.3; linear to the functions (Ma et al., *Cognitive Mirrors*, arXiv 2512.10978).
    """

    def __init__(self, heads: int, width: int, classes: int) -> None:
        super().__init__()
        self.shared = nn.Linear(width, SHARED)
        self.hidden = nn.Linear(heads * SHARED, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, classes)

    def decide(self, projected: Tensor) -> Tensor:
        """Logits [n, classes] of the heads' projected numbers [n, heads, 64]."""
        hidden = torch.relu(self.hidden(projected.flatten(1)))
        return self.out(self.dropout(hidden))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of the heads' numbers [n, heads, width]."""
        return self.decide(self.shared(x))


def joint_probes(
    features: Any,
    classes: Classes,
    folds: Classes,
    *,
    groups: Classes | None = None,
    training: Training | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Joint:
    """Train a probe of all heads for every fold on the other folds, and explain it on the fold.

    The fold after the one that is left out tells when to stop; features are standardised by the
    training steps. What head (l, h) contributes to the decision for the step's own function c is
    the mean over the 64 projected numbers e of ∂z_c/∂e · (e − ē), z_c being the logit and ē the
    mean over the training steps: a head that always says the same contributes nothing.

    Args:
        features: numbers [step, layer, head, width]; NaN where there is no such head.
        classes: the function of each step, counted from 0 [step].
        folds: the fold of each step, counted from 0 [step]; at least 3 of them.
        groups: numbers of groups [step]; a probe is trained on no step whose group has any step in
            the fold that is left out. Folds that keep groups together do not need them.
        training: how to train.
        progress: called with the folds done, and how many there are.

    Raises:
        LayergramError: for fewer than 3 folds.

    Source:
        Ma et al., *Cognitive Mirrors*, arXiv 2512.10978.
    """
    training = training or Training()
    values = np.asarray(features, dtype=np.float32)
    known = ~np.isnan(values).any(axis=(0, 3))
    x = torch.from_numpy(np.ascontiguousarray(values[:, known]))
    y = torch.from_numpy(classes.astype(np.int64))
    numbers = np.unique(folds)
    if len(numbers) < 3:
        raise LayergramError(
            "a probe of all heads", got=f"{len(numbers)} folds", allowed="3 or more"
        )
    predicted = np.full(len(y), -1, dtype=np.intp)
    contributions = np.full((len(y), *known.shape), np.nan)
    epochs = []
    for at, fold in enumerate(numbers):
        out = torch.from_numpy(folds == fold)
        free = out if groups is None else torch.from_numpy(np.isin(groups, groups[folds == fold]))
        judge = torch.from_numpy(folds == numbers[(at + 1) % len(numbers)]) & ~free
        train = ~(free | judge)
        mean, spread = x[train].mean(0), x[train].std(0)
        scaled = (x - mean) / torch.where(spread > 1e-6, spread, 1.0)
        probe, taken = _train(scaled, y, train, judge, training, seed=training.seed + at)
        epochs.append(taken)
        decided, shares = _explain(probe, scaled[out], y[out], scaled[train])
        predicted[out.numpy()] = decided.numpy()
        of_fold = np.full((int(out.sum()), *known.shape), np.nan)
        of_fold[:, known] = shares.numpy()
        contributions[out.numpy()] = of_fold
        if progress is not None:
            progress(at + 1, len(numbers))
    return Joint(predicted, contributions, folds, epochs)


def _train(
    x: Tensor, y: Tensor, train: Tensor, judge: Tensor, training: Training, *, seed: int
) -> tuple[JointProbe, int]:
    """The probe at its lowest loss on the judging steps, and the passes it took."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = JointProbe(x.shape[1], x.shape[2], int(y.max()) + 1)
        optimiser = torch.optim.AdamW(probe.parameters(), lr=training.rate, fused=True)
        places = torch.nonzero(train)[:, 0]
        losses: list[float] = []
        kept = deepcopy(probe.state_dict())
        while len(losses) < training.epochs and _still_gains(losses, training):
            probe.train()
            for batch in places[torch.randperm(len(places))].split(training.batch):
                loss = nn.functional.cross_entropy(probe(x[batch]), y[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            probe.eval()
            with torch.no_grad():
                losses.append(float(nn.functional.cross_entropy(probe(x[judge]), y[judge])))
            if losses[-1] == min(losses):
                kept = deepcopy(probe.state_dict())
        probe.load_state_dict(kept)
    return probe.eval(), len(losses)


def _still_gains(losses: list[float], training: Training) -> bool:
    """Whether the last passes have made the loss lower than it was, by enough."""
    if len(losses) <= training.patience:
        return True
    before, since = losses[: -training.patience], losses[-training.patience :]
    return min(since) < min(before) - training.gain


def _explain(probe: JointProbe, x: Tensor, y: Tensor, trained: Tensor) -> tuple[Tensor, Tensor]:
    """The decisions [n], and what each head contributes to the step's own class [n, heads]."""
    with torch.no_grad():
        projected, usual = probe.shared(x), probe.shared(trained).mean(0)
    projected.requires_grad_(True)
    logits = probe.decide(projected)
    own = logits.gather(1, y[:, None]).sum()
    (slope,) = torch.autograd.grad(own, projected)
    return logits.detach().argmax(1), (slope * (projected - usual)).detach().mean(-1)
