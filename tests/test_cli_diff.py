"""``layergram diff``: the files it makes, what it prints, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.errors import LayergramError


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in ("one", "two"):
        coords = {"token_text": ("token", ["A", " is", " 8"])}
        array = maps.make(
            rng.random((6, 3)), ("layer", "token"), measure="divergence", units="bit",
            valid_min=0, valid_max=1, coords=coords,
        )  # fmt: skip
        paths.append(str(maps.write(array, tmp_path / name / "divergence.nc")))
    return paths


def test_a_difference_is_a_map_a_picture_and_words(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["diff", *pair, "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        f"difference.{x}" for x in ("html", "md", "nc", "png")
    ]
    assert (out / "difference.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "difference.md").read_text().startswith("# Difference")
    result = maps.read(out / "difference.nc")
    a, b = map(maps.read, pair)
    np.testing.assert_array_equal(result.values, a.values - b.values)
    assert json.loads(result.attrs["minuend"])["name"] == "one/divergence.nc"
    printed = capsys.readouterr().out.splitlines()
    assert printed[-4:] == [
        str(out / f"difference{end}") for end in (".nc", ".png", ".md", ".html")
    ]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".svg", ".md", ".zarr", ".html"])
def test_one_file_is_made_where_one_is_asked_for(pair, tmp_path, suffix, capsys):
    target = tmp_path / "out" / f"change{suffix}"
    assert main(["diff", *pair, "-o", str(target), "--quiet"]) == 0
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    assert capsys.readouterr().out == ""


def test_the_summary_is_json_and_its_numbers_are_those_of_the_map(pair, tmp_path, capsys):
    target = tmp_path / "change.nc"
    assert main(["diff", *pair, "-o", str(target), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    result = maps.read(target)
    assert summary["files"] == [str(target)]
    assert summary["highest"] == pytest.approx(float(result.max()))
    assert summary["mean_absolute"] == pytest.approx(float(np.abs(result).mean()))
    assert (summary["of"], summary["dims"]) == ("divergence", {"layer": 6, "token": 3})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{a}", "missing.nc"], "no such file"),
        (["{a}", "{b}", "-o", "change.xlsx"], "the suffix '.xlsx'"),
        (["{a}", "{b}", "--match", "some"], "some"),
        (["{a}"], "Got: no B"),
    ],
)
def test_a_wrong_request_is_one_message_and_makes_nothing(
    pair, tmp_path, arguments, words, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    filled = [word.format(a=pair[0], b=pair[1]) for word in arguments]
    assert main(["diff", *filled]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_texts_that_differ_are_shown_where_they_part(pair, tmp_path, capsys):
    other = maps.read(pair[1]).assign_coords(token_text=("token", ["A", " was", " 8"]))
    path = maps.write(other, tmp_path / "other.nc")
    assert main(["diff", pair[0], str(path)]) == 2
    assert "at token 1: ' is' in divergence.nc, ' was' in other.nc" in capsys.readouterr().err
    target = tmp_path / "first.csv"
    assert main(["diff", pair[0], str(path), "--match", "common", "-o", str(target)]) == 0
    assert maps.read(target).sizes["token"] == 1


def test_a_refusal_speaks_in_options_on_the_command_line_and_in_arguments_in_python(
    pair, tmp_path, capsys
):
    other = maps.read(pair[1])
    texts = other["token_text"].values.copy()
    texts[1] = " was"
    path = maps.write(other.assign_coords(token_text=("token", texts)), tmp_path / "other.nc")
    assert main(["diff", pair[0], str(path), "--out", str(tmp_path / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "with --match common, or texts of as many tokens with --match position" in said
    assert "match 'common'" not in said
    with pytest.raises(LayergramError, match="with match 'common'"):
        maps.difference(maps.read(pair[0]), maps.read(path))
