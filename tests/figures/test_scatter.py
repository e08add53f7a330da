"""Bins of answers at their mean scores, with every answer behind them."""

from __future__ import annotations

import numpy as np
import pytest

from layergram import maps
from layergram.figures import Style, paint, plan
from layergram.words import describe

MEANS = [0.1, 0.25, 0.3, 0.45, 0.9]
ACCURACY = [0.0, 0.2, 0.4, 0.35, 1.0]
RIGHT, WRONG = [0.25, 0.25, 0.9, 0.9], [0.05, 0.1, 0.1, 0.1, 0.3]


def binned(**attributes):
    given = {
        "measure": "accuracy_by_depth",
        "long_name": "accuracy of the bin",
        "valid_min": 0.0,
        "valid_max": 1.0,
        "score": "deep-thinking ratio",
        "statistics": "Pearson r over the 5 bins: 0.97 (0.80 to 1.00). AUROC: 0.90 (0.70 to 1.00).",
        "answer_scores": {"right": RIGHT, "wrong": WRONG, "answers": 9},
    }
    return maps.make(
        ACCURACY,
        ("bin",),
        coords={
            "bin": np.arange(1, 6),
            "bin_score": ("bin", MEANS),
            "low": ("bin", np.clip(np.array(ACCURACY) - 0.1, 0, 1)),
            "high": ("bin", np.clip(np.array(ACCURACY) + 0.2, 0, 1)),
        },
        **given | attributes,
    )


def test_bins_stand_at_their_mean_scores_on_an_axis_of_scores():
    panel = plan(binned()).panels[0]
    assert panel.at == tuple(MEANS)
    assert panel.x.label == "Deep-thinking ratio"
    assert panel.x.limits[0] < 0.05 and panel.x.limits[1] > 0.9
    assert all(float(tick.label) == pytest.approx(tick.at) for tick in panel.x.ticks)
    ax = paint(plan(binned())).axes[0]
    (joined,) = (line for line in ax.lines if line.get_linestyle() == "-")
    np.testing.assert_allclose(joined.get_xydata(), np.stack([MEANS, ACCURACY], axis=1))
    (whiskers,) = (c for c in ax.collections if len(c.get_paths()) == 5)
    ends = [path.vertices.tolist() for path in whiskers.get_paths()]
    np.testing.assert_allclose([one[0][0] for one in ends], MEANS)
    np.testing.assert_allclose([one[0][1] for one in ends], [0, 0.1, 0.3, 0.25, 0.9])
    np.testing.assert_allclose([one[1][1] for one in ends], [0.2, 0.4, 0.6, 0.55, 1])


def test_every_answer_is_a_point_right_ones_above_1_and_wrong_ones_below_0():
    panel = plan(binned()).panels[0]
    assert plan(binned()).panels[0].points == panel.points  # the same each time
    assert sorted(x for x, y in panel.points if 1 < y < panel.y.limits[1]) == RIGHT
    assert sorted(x for x, y in panel.points if panel.y.limits[0] < y < 0) == WRONG
    assert len(set(panel.points)) == len(panel.points) == 9  # equal scores do not hide one another
    assert [panel.y.ticks[0].at, panel.y.ticks[-1].at] == [0, 1]
    ax = paint(plan(binned())).axes[0]
    (points,) = (line for line in ax.lines if line.get_linestyle() == "None")
    np.testing.assert_allclose(points.get_xydata(), panel.points)
    assert points.get_alpha() < 0.5


def test_the_notes_say_what_the_points_are_and_what_was_computed():
    notes = " ".join(plan(binned()).notes)
    assert "Pearson r over the 5 bins: 0.97 (0.80 to 1.00). AUROC: 0.90" in notes
    assert "9 single answers, right ones at 1 and wrong ones at 0" in notes
    some = binned(answer_scores={"right": RIGHT, "wrong": WRONG, "answers": 5000})
    assert "9 of 5,000 single answers" in " ".join(plan(some).notes)


def test_the_words_give_the_mean_score_of_each_bin():
    words = describe(binned())
    assert "Their mean deep-thinking ratio: 0.1, 0.25, 0.3, 0.45 and 0.9." in words
    assert "- **Whole map**: Pearson r over the 5 bins: 0.97" in words


def test_without_scores_bins_stand_side_by_side_and_without_answers_there_is_no_point():
    plain = plan(binned().drop_vars("bin_score")).panels[0]
    assert (plain.at, plain.points, plain.x.limits) == ((), (), (-0.5, 4.5))
    bare = plan(binned(answer_scores=None)).panels[0]
    assert (bare.at, bare.points) == (tuple(MEANS), ())
    assert bare.y.limits == (0, 1)


def test_limits_that_were_asked_for_hold():
    panel = plan(binned(), style=Style(limits=(0.0, 0.5))).panels[0]
    assert panel.y.limits == (0.0, 0.5)


def test_files_keep_where_the_bins_stand(tmp_path):
    for ending in ("nc", "json", "zarr"):
        again = maps.read(maps.write(binned(), tmp_path / f"map.{ending}"))
        assert plan(again).panels[0].points == plan(binned()).panels[0].points
    table = maps.read(maps.write(binned(), tmp_path / "map.csv"))
    assert table.dims == ("bin",)
    np.testing.assert_allclose(plan(table).panels[0].at, MEANS, rtol=1e-6)
