"""``layergram describe``: files in, words out, one message for a wrong request."""

import json
import subprocess
import sys

import pytest

import layergram
from gallery_facts import peaked
from layergram import maps
from layergram.cli import main


@pytest.fixture
def file(tmp_path):
    return maps.write(peaked(), tmp_path / "peaked.nc")


def test_several_maps_are_described_one_after_another(file, capsys):
    assert main(["describe", str(file), str(file)]) == 0
    out = capsys.readouterr().out
    assert out.count("## Overview") == 2
    assert 'A peak at layer 5: "8" (position 3) with 0.87.' in out


def test_alt_is_one_line_and_json_the_facts(file, capsys):
    assert main(["describe", str(file), "--alt"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert main(["describe", str(file), "--json"]) == 0
    (plain,) = json.loads(capsys.readouterr().out)["maps"]
    assert plain["file"] == str(file)
    assert "peaks" in {fact["kind"] for fact in plain["numbers"]}


def test_words_go_into_a_file(file, tmp_path, capsys):
    assert main(["describe", str(file), "-o", str(tmp_path / "new" / "words.md")]) == 0
    assert (tmp_path / "new" / "words.md").read_text(encoding="utf-8").startswith("# Amount")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "request_", [["describe"], ["describe", "missing.nc"], ["describe", "x.nc", "--alt", "--json"]]
)
def test_wrong_requests_are_one_message(request_, capsys):
    assert main(request_) == 2
    seen = capsys.readouterr()
    assert seen.err.startswith("Asked for:") and seen.out == ""


def test_torch_is_not_imported(file):
    code = (
        "import sys; from layergram.cli import main; "
        f"main(['describe', {str(file)!r}, '--alt']); "
        "assert not {'torch', 'transformers', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_notebook_shows_a_description_as_markdown():
    array = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
    found = layergram.describe(array)
    assert found._repr_markdown_() == found and found.startswith("# Weight")
    assert layergram.__version__ == maps.layergram_version()
    assert "__version__" in dir(layergram)
