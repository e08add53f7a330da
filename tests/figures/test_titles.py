"""Titles of panels fit above them and stay distinct, whatever they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from layergram import figures, maps
from layergram.figures.titles import fitted


def painted(names):
    """The figure of a map with a panel per name, and the boxes of titles and panels in pixels."""
    values = np.random.default_rng(0).random((len(names), 3, 2))
    array = maps.make(
        values, ("function", "layer", "token"), measure="m", coords={"function": names}
    )
    figure = figures.paint(figures.plan(array))
    panels = [ax for ax in figure.axes if ax.get_title()]
    return [(ax.get_title(), ax.title.get_window_extent(), ax.bbox) for ax in panels]


NAMES = {
    "long": [f"A rather long data set name number {at} with qualifiers" for at in range(6)],
    "very long": [f"{'accuracy of a linear probe ' * 6}on set {at}" for at in range(6)],
    "one word": [f"{'q' * 90}_{at}_{'z' * 90}" for at in range(4)],
    "only the end": [f"{'the same words again and ' * 8}{at}" for at in range(8)],
    "only the middle": [f"{'same ' * 30}{at}{' words' * 30}" for at in range(6)],
    "Chinese": [f"一个相当长的数据集名称带有限定词的第{at}个测试集合" for at in range(6)],
    "short": ["Retrieval", "Recall"],
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_titles_fit_and_stay_distinct(kind):
    drawn = painted(NAMES[kind])
    titles = [title for title, _, _ in drawn]
    assert len(set(titles)) == len(NAMES[kind])
    assert max(title.count("\n") for title in titles) <= 2
    for (_, box, panel), (_, other, _) in pairwise(drawn):
        assert not box.overlaps(other)
        assert box.width <= 1.1 * panel.width


def test_short_titles_are_as_they_were():
    assert [title for title, _, _ in painted(NAMES["short"])] == NAMES["short"]


def test_titles_that_are_the_same_stay_the_same():
    assert fitted(["a", "a"], width=1, font_size=8) == ["a", "a"]


@pytest.mark.parametrize("count", [6, 24])
def test_labels_of_rows_that_are_lower_than_them_do_not_overlap(count):
    array = maps.make(
        np.ones((count, 30)), ("head", "layer"), measure="kl", units="bit",
        long_name="Kullback–Leibler divergence of the final layer from the lens",
    )  # fmt: skip
    figure = figures.plan(array, style=figures.Style(kind="lines", facet="head"))
    drawn = figures.paint(figure)
    drawn.draw_without_rendering()
    beside = [ax.yaxis.label for ax in drawn.axes if ax.get_ylabel()]
    shared = getattr(drawn, "_supylabel", None)
    boxes = [label.get_window_extent() for label in (*beside, *([shared] if shared else []))]
    assert boxes, "the label is there"
    for at, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[at + 1 :])
        assert drawn.bbox.y0 <= box.y0 and box.y1 <= drawn.bbox.y1
    assert "Kullback–Leibler" in " ".join(
        label.get_text() for label in (*beside, *([shared] if shared else []))
    )
