"""Texts that differ in a few words, found by the rare word n-grams that they share."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIMILAR = 0.35
"""Share of their information (sum of log inverse frequencies) that near-duplicates have in common,
relative to the geometric mean of both: about half of a sentence."""

CANDIDATE = 0.15
"""What pairs must reach by rare n-grams alone, to be compared by all."""

STEP = 0.1
LARGEST = 0.95
COMMON = 0.1  # share of the texts above which an n-gram does not make candidates
COMMON_WORD = 0.5  # share of the texts above which a word belongs to their template
MOST = 500  # texts that share an n-gram, above which it does not make them candidates
BLOCK = 1000  # texts that are compared with all others at once
WORD = r"[^\W\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]"

Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Groups:
    """What belongs together, and why.

    Attributes:
        of: the number of the group of each text, in the order of their first members.
        identical: texts whose like stands earlier in the set.
        near: texts that are in a group only because of near-duplicates.
        largest: size of the largest group that near-duplicates made.
    """

    of: tuple[int, ...]
    identical: int
    near: int
    largest: int


def group(
    texts: Sequence[str],
    *,
    given: Sequence[Hashable],
    near: bool = True,
    parts: Sequence[str] | None = None,
    least_words: int = 3,
) -> Groups:
    """Texts in groups: those that share a given group, are identical, or are nearly so.

    Args:
        texts: what is compared.
        given: a group of each text, as the set has it.
        near: whether near-duplicates are looked for.
        parts: a part of each text that must be alike too, such as the question of a question with
            options; the whole text where there is none.
        least_words: words, not common in the set, that near-duplicates share.

    Example:
        >>> texts = ["The cook thanked the nurse at noon because she was kind.",
        ...          "The cook thanked the nurse at noon because he was tired.",
        ...          *[f"A {a} was seen by {b}." for a, b in zip("pqrstuvw", "cdefghij")]]
        >>> group(texts, given=range(10)).of
        (0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
    """
    same: dict[str, int] = {}
    first = [same.setdefault(plain(text), at) for at, text in enumerate(texts)]
    owners: dict[Hashable, int] = {}
    links = [(at, owner) for at, owner in enumerate(first)]
    links += [(at, owners.setdefault(name, at)) for at, name in enumerate(given)]
    before = _components(len(texts), np.array(links))
    after, largest = before, 0
    unique = np.array(sorted(set(first)), dtype=np.intp)
    if near and unique.size > 2:
        found = _near([texts[at] for at in unique], least_words)
        if parts is not None and len(found):
            alike = _near([parts[at] for at in unique], least_words)
            found = found[np.isin(_codes(found, unique.size), _codes(alike, unique.size))]
        pairs = _without_chains(unique.size, found)
        after = _components(len(texts), np.concatenate([np.array(links), unique[pairs]]))
        grown = np.bincount(after)[after] > np.bincount(before)[before]
        largest = int(np.bincount(after[grown]).max()) if grown.any() else 0
    grown = np.bincount(after)[after] > np.bincount(before)[before]
    return Groups(
        tuple(_in_order(after)),
        sum(at != owner for at, owner in enumerate(first)),
        int(grown.sum()),
        largest,
    )


def plain(text: str) -> str:
    """A text without what makes no other text of it: capitals and spaces."""
    return " ".join(text.casefold().split())


def _codes(pairs: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    return np.asarray(pairs[:, 0] * count + pairs[:, 1], dtype=np.int64)


def _near(texts: Sequence[str], least_words: int) -> npt.NDArray[np.float64]:
    """Pairs of similar texts: first, second, similarity [pair, 3].

    An n-gram that every text has says nothing and weighs nothing, so that texts of one template
    are compared by what is filled in. Only n-grams that few texts share make candidates.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(ngram_range=(1, 2), token_pattern=WORD, binary=True, dtype=np.float32)
    try:
        counts = reader.fit_transform(texts).tocsr()
    except ValueError:  # no text has a word
        return np.empty((0, 3))
    frequency = np.asarray(counts.sum(0)).ravel()
    weights = np.log(len(texts) / frequency)
    total = np.sqrt(np.maximum(counts @ weights, 1e-9))
    half = (sparse.diags(1 / total) @ counts @ sparse.diags(np.sqrt(weights))).tocsr()
    few = (frequency > 1) & (frequency <= min(MOST, max(2, COMMON * len(texts))))
    single = np.array([len(re.findall(WORD, name)) == 1 for name in reader.get_feature_names_out()])
    telling = single & (frequency > 1) & (frequency <= COMMON_WORD * len(texts))
    shared, words = half[:, few], counts[:, telling]
    across = shared.T.tocsr()
    pairs = []
    for start in range(0, len(texts), BLOCK):
        block = slice(start, start + BLOCK)
        found = (shared[block] @ across).tocoo()
        candidate = (found.data >= CANDIDATE) & (found.row + start < found.col)
        row, column = found.row[candidate] + start, found.col[candidate]
        similar = np.asarray(half[row].multiply(half[column]).sum(1)).ravel()
        common = np.asarray(words[row].multiply(words[column]).sum(1)).ravel()
        near = (similar >= SIMILAR) & (common >= least_words)
        pairs.append(np.stack([row, column, similar], axis=1)[near])
    return np.concatenate(pairs)


def _without_chains(count: int, pairs: npt.NDArray[np.float64]) -> Numbers:
    """The pairs that make groups; where many texts hang together, only the closer ones.

    Two texts that are closest to each other stay together in any case.
    """
    ends, similar = np.asarray(pairs[:, :2], dtype=np.intp), pairs[:, 2]
    closest = np.full(count, -1)
    for at in np.argsort(similar, kind="stable"):  # the closest is written last
        closest[ends[at]] = ends[at][::-1]
    mutual = (closest[ends[:, 0]] == ends[:, 1]) & (closest[ends[:, 1]] == ends[:, 0])
    kept = np.ones(len(pairs), dtype=np.bool_)
    for floor in np.arange(SIMILAR + STEP, LARGEST, STEP):
        found = _components(count, ends[kept])
        large = (np.bincount(found) > max(10, count // 100))[found][ends[:, 0]]
        if not large.any():
            break
        kept &= ~large | mutual | (similar >= floor)
    return ends[kept]


def _components(count: int, links: Numbers) -> Numbers:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = links.reshape(-1, 2)
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def _in_order(groups: Numbers) -> list[int]:
    """Groups numbered in the order of their first members."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(name), len(numbers)) for name in groups]
