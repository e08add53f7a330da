import json
from pathlib import Path

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main

SEED = Path(__file__).parent.parent / "data" / "seed000.csv"


@pytest.fixture
def two(tmp_path):
    """Two measures over the same tokens, and one over others."""
    for name, count in (("one", 5), ("two", 5), ("other", 7)):
        values = np.random.default_rng(count).uniform(0, 1, (4, count))
        maps.write(maps.make(values, ("layer", "token"), measure=name), tmp_path / f"{name}.nc")
    return tmp_path


def test_maps_over_the_same_tokens_become_one_picture_and_others_one_each(two, capsys):
    files = [str(two / f"{name}.nc") for name in ("one", "two", "other")]
    assert main(["draw", *files[:2], "--json"]) == 0
    (summary,) = json.loads(capsys.readouterr().out)["figures"]
    assert summary["file"] == str(two / "one+two.png")
    assert [panel["title"] for panel in summary["panels"]] == ["One", "Two"]
    assert main(["draw", *files[1:], "-o", str(two / "pictures"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    drawn = sorted(path.name for path in (two / "pictures").iterdir())
    assert drawn == ["other.png", "two.png"]


def test_the_summary_tells_limits_counts_and_notes(tmp_path, capsys):
    target = tmp_path / "map.svg"
    options = ["--limits", "0", "0.5", "--mark", "13:17,8:10", "--json"]
    assert main(["draw", str(SEED), "-o", str(target), *options]) == 0
    (summary,) = json.loads(capsys.readouterr().out)["figures"]
    scale = summary["scales"][0]
    above = int((maps.read(SEED).values > 0.5 + 1e-6).sum())
    assert (scale["low"], scale["high"], scale["above"]) == (0.0, 0.5, above)
    assert f"{above} of 140 cells lie above 0.5" in summary["notes"][0]
    assert summary["panels"][0]["regions"][0]["rows"] == [3, 4]
    assert target.exists()


@pytest.mark.parametrize(
    "options, words",
    [
        (["-o", "map.docx"], ".png, .svg, .pdf, .html"),
        (["--colours", "viridiss"], "did you mean 'viridis'"),
        (["--limits", "1", "0"], "lower limit first"),
        (["--mark", "1:99,0:3"], "layer 1 to 27"),
        (["--facet", "head"], "Allowed: layer, token"),
        (["--kind", "pie"], "heatmap"),
        (["--out", str(SEED / "x.png")], "folder that can be written"),
        (["--mark", "best", "--mark-least", "0", "2"], "1 or more"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_2(
    options, words, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", str(SEED), *options]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err + said.out
    assert list(tmp_path.iterdir()) == []


def test_maps_that_cannot_share_a_picture_are_refused_for_one_file(two, capsys):
    files = [str(two / "one.nc"), str(two / "other.nc")]
    assert main(["draw", *files, "-o", str(two / "both.png")]) == 2
    assert "same tokens" in capsys.readouterr().err
    assert main(["draw", files[0], files[0]]) == 2
    assert "the same file twice" in capsys.readouterr().err
