"""What the words of a text tell without a model: a logistic regression on word n-grams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergram.statistics.arrays import Labels, Numbers, Values

WORD = r"\w+|[^\w\s]"
LONGEST = 2  # words of an n-gram
STRENGTH = 10.0  # inverse of the L2 penalty, as in scikit-learn
KEPT = 2000  # n-grams that are kept with a probe, those of the largest weights


@dataclass(frozen=True)
class Words:
    """A classifier of texts by their words and pairs of words.

    Attributes:
        weights: of each n-gram that a text has.
        bias: log odds of a text without any of them.
    """

    weights: Mapping[str, float]
    bias: float

    def log_odds(self, text: str) -> float:
        """Log odds of the positive class."""
        return self.bias + sum(self.weights.get(name, 0.0) for name in set(_ngrams(text)))


def _ngrams(text: str) -> list[str]:
    return list(_reader().build_analyzer()(text))


def _reader() -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(ngram_range=(1, LONGEST), token_pattern=WORD, binary=True)


def _fitted(texts: Sequence[str], positive: Labels) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression

    reader = _reader()
    counts = reader.fit_transform(texts)
    return reader, LogisticRegression(C=STRENGTH, max_iter=1000).fit(counts, positive)


def fit_words(texts: Sequence[str], positive: Labels) -> Words:
    """The classifier that was trained on all texts, with its largest weights."""
    reader, model = _fitted(texts, positive)
    weights = model.coef_[0]
    largest = np.argsort(-np.abs(weights))[:KEPT]
    names = reader.get_feature_names_out()
    return Words({str(names[at]): float(weights[at]) for at in largest}, float(model.intercept_[0]))


def word_scores(texts: Sequence[str], positive: Labels, folds: Numbers) -> Values:
    """Log odds of every text by its words, from a classifier trained on the other folds.

    Words of a text that no training text has say nothing.
    """
    scores = np.empty(len(texts))
    for fold in np.unique(folds):
        inside = folds == fold
        train = [text for text, held_out in zip(texts, inside, strict=True) if not held_out]
        reader, model = _fitted(train, positive[~inside])
        tested = [text for text, held_out in zip(texts, inside, strict=True) if held_out]
        scores[inside] = model.decision_function(reader.transform(tested))
    return scores


def telling_word(texts: Sequence[str], positive: Labels) -> tuple[str, float, float]:
    """The n-gram by whose presence alone the classes differ most, and its share in each class.

    Returns:
        The n-gram, its share of the negative and of the positive texts.

    Example:
        >>> texts = ["a red box", "the red sea", "a blue box", "the blue sea"]
        >>> telling_word(texts, np.array([True, True, False, False]))[0] in ("red", "blue")
        True
    """
    reader = _reader()
    counts = reader.fit_transform(texts).tocsr()
    shares = [np.asarray(counts[side].mean(0)).ravel() for side in (~positive, positive)]
    at = int(np.abs(shares[1] - shares[0]).argmax())
    return str(reader.get_feature_names_out()[at]), float(shares[0][at]), float(shares[1][at])
