"""What a role map is compared with: features that know nothing, or less, of the model's work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from sklearn.feature_extraction.text import HashingVectorizer

from layergram.answers.judge import Row
from layergram.models.load import load
from layergram.models.model import Model

NGRAM_FEATURES = 512
LONGEST_NGRAM = 4

Values = npt.NDArray[np.float32]


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
    return replace(
        fresh,
        name=f"{model.name} with random weights (seed {seed})",
        remake=partial(random_weights, model, seed=seed),
    )


@dataclass(frozen=True)
class Control:
    """Features that a probe is trained on as on hidden states, to be compared with it.

    Attributes:
        kind: ``joint`` (all of a kind in one probe), ``control`` or ``rival``.
        name: short, for the CSV file.
        about: in words.
        features: of the rows and hidden states; [example, feature], or a map of cells among which
            the training folds choose; ``None`` where the rows have none.
    """

    kind: str
    name: str
    about: str
    features: Callable[[Sequence[Row], xr.Dataset], Values | xr.DataArray | None]


def ngrams(texts: Sequence[str]) -> Values | None:
    """What texts look like as strings: their pieces of 1 to 4 characters, hashed and counted.

    A probe on these numbers knows the words and nothing of the model. The pieces are hashed, not
    learned, so that a fold tells nothing of another.

    Returns:
        [text, 512], each row of length 1; ``None`` where no text has a character.

    Example:
        >>> ngrams(["Bern", "bern"]).shape, ngrams(["", ""])
        ((2, 512), None)
    """
    if not any(texts):
        return None
    vectorizer = HashingVectorizer(
        analyzer="char",
        ngram_range=(1, LONGEST_NGRAM),
        lowercase=False,
        n_features=NGRAM_FEATURES,
        alternate_sign=False,
    )
    found = vectorizer.transform([f"^{text}$" for text in texts])
    return np.asarray(found.toarray(), dtype=np.float32)


def lengths(rows: Sequence[Row]) -> Values:
    """Tokens of the prompt, of the answer and of the exact answer, and characters of the latter."""
    exact = [row.exact_tokens or (0, -1) for row in rows]
    return np.array(
        [
            [row.prompt_tokens, len(row.ids) - row.prompt_tokens, last - first + 1, len(row.exact)]
            for row, (first, last) in zip(rows, exact, strict=True)
        ],
        dtype=np.float32,
    )


def filled(values: npt.ArrayLike) -> Values:
    """Columns without NaN: 0 stands for what is missing, beside a column that says where it is.

    Example:
        >>> filled([[1, np.nan], [2, 3]]).tolist()
        [[1.0, 0.0, 1.0], [2.0, 3.0, 0.0]]
    """
    array = np.asarray(values, dtype=np.float32)
    missing = np.isnan(array)
    flags = np.unique(missing[:, missing.any(0)].astype(np.float32), axis=1)
    return np.concatenate([np.where(missing, 0.0, array), flags], axis=1, dtype=np.float32)


def surface(rows: Sequence[Row], states: xr.Dataset) -> Values | None:
    """The tokens at all roles as the embedding layer has them, and the lengths."""
    if 0 not in states["features"]["layer"].values:
        return None
    tokens = states["features"].sel(layer=0).values.reshape(len(rows), -1)
    return np.concatenate([filled(tokens), lengths(rows)], axis=1)


def all_scores(rows: Sequence[Row], states: xr.Dataset) -> Values:
    """All scores of an answer, and the lengths."""
    return np.concatenate([filled(states["scores"].values), lengths(rows)], axis=1)


def previous_attention(rows: Sequence[Row], states: xr.Dataset) -> xr.DataArray | None:
    """How much every head attends to the previous token along the answer, a cell for each head."""
    if "attention_previous" not in states:
        return None
    found = states["attention_previous"].rename(attention_layer="layer")
    return found.expand_dims("feature", -1)


CONTROLS = (
    Control(
        "joint",
        "surface",
        "one probe on the tokens at all roles (the embedding layer) and lengths",
        surface,
    ),
    Control("joint", "all_scores", "one probe on all single scores and lengths", all_scores),
    Control(
        "control",
        "question_ngrams",
        "one probe on the letters of the question",
        lambda rows, _: ngrams([row.question for row in rows]),
    ),
    Control(
        "control",
        "letters",
        "one probe on the letters of the exact answer",
        lambda rows, _: ngrams([row.exact for row in rows]),
    ),
    Control(
        "rival",
        "previous_attention",
        "attention of the head chosen by the other folds to the previous token",
        previous_attention,
    ),
)
"""What every map is compared with, by probes that are trained and tested as its own."""
