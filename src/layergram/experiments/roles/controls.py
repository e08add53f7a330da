"""What a role map is compared with: a model that learned nothing, and the answer's own letters."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from layergram.answers.judge import Row
from layergram.models.load import load
from layergram.models.model import Model

LETTER_FEATURES = 512
LONGEST_PIECE = 4


def random_weights(model: Model, *, seed: int = 0) -> Model:
    """A model of the same shape and tokenizer whose weights are drawn as before training.

    Args:
        model: the model to be like.
        seed: of the weights; torch's own random state is as before afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = type(model.network)(deepcopy(model.network.config))
    network.to(device=model.device, dtype=model.dtype).eval().requires_grad_(False)
    fresh = load(network, tokenizer=model.tokenizer)
    return replace(fresh, name=f"{model.name} with random weights (seed {seed})")


def letters_of(rows: Sequence[Row]) -> npt.NDArray[np.float32]:
    """What the exact answers look like as strings: their pieces of 1 to 4 characters, hashed.

    A probe on these numbers knows the words of an answer and nothing of the model.

    Returns:
        [example, 512]: how often each piece occurs, the length of the row vector being 1.

    Example:
        >>> from types import SimpleNamespace
        >>> letters_of([SimpleNamespace(exact="Bern"), SimpleNamespace(exact="bern")]).shape
        (2, 512)
    """
    found = np.zeros((len(rows), LETTER_FEATURES), dtype=np.float32)
    for row, counts in zip(rows, found, strict=True):
        text = f"^{row.exact}$"
        for size in range(1, LONGEST_PIECE + 1):
            for at in range(len(text) - size + 1):
                counts[zlib.crc32(text[at : at + size].encode()) % LETTER_FEATURES] += 1
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found
