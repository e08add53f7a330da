"""Notebooks, in a real kernel: what shows itself, once; and the notebook of the docs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import layergram as lg
from layergram import maps
from layergram.terminal import wrapped

ROOT = Path(__file__).parent.parent
FIRST_MAP = ROOT / "docs" / "first_map.ipynb"
MADE = """\
import layergram as lg
from layergram import maps
array = maps.make([[0.25, 0.5], [0.75, 1.0]], ("layer", "head"), measure="weight")
"""
SHOWN = ["image/png", "text/markdown", "text/html"]
"""A picture, words, and the numbers as xarray shows them."""


def executed(notebook, folder):
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [
        [out for out in cell.outputs if out.get("name") != "stderr"]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def kind(output):
    """What is shown of an output: the richest form, or the sort of a text."""
    forms = [form for form in output.get("data", {}) if form != "text/plain"]
    assert len(forms) <= 1, forms
    return forms[0] if forms else output.output_type


def test_a_kernel_shows_pictures_and_words_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    cells = [
        MADE + "lg.draw(array)",
        "lg.describe(array)",
        "lg.show(array)",
        "lg.show({'a': array, 'b': array})",
        "lg.show(array.to_dataset(name='weight'))",
        "import matplotlib.pyplot as plt\nfigure = lg.draw(array)\nfigure",
        "plt.get_fignums()",
        "%matplotlib inline\nfigure",
    ]
    found = executed(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)
    kinds = [[kind(output) for output in outputs] for outputs in found]
    assert kinds == [
        ["image/png"],
        ["text/markdown"],
        SHOWN,
        [*SHOWN, *SHOWN],
        SHOWN,
        ["image/png"],
        ["execute_result"],
        ["image/png"],
    ]
    assert found[6][0].data["text/plain"] == "[]"  # pyplot knows of no figure
    assert "values 0.25 to 1.00" in found[2][1].data["text/markdown"]


def test_a_picture_says_how_large_it_is():
    array = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
    figure = lg.draw(array)
    assert isinstance(figure, Figure)
    data, size = figure._repr_png_()
    pixels = np.frombuffer(data[16:24], dtype=">u4")  # width and height in the head of a PNG
    assert pixels == pytest.approx([2 * size["width"], 2 * size["height"]], abs=2)


def test_the_notebook_of_the_docs_shows_what_stands_in_it(smollm2, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    written = nbformat.read(FIRST_MAP, as_version=4)
    nbformat.validate(written)
    kept = [
        [kind(output) for output in cell.outputs]
        for cell in written.cells
        if cell.cell_type == "code"
    ]
    source = "".join(cell.source for cell in written.cells)
    assert "%" not in source and "display" not in source  # no magic
    assert {"image/png", "text/markdown", "text/html"} <= {one for cell in kept for one in cell}
    found = executed(written, tmp_path)
    assert [[kind(output) for output in outputs] for outputs in found] == kept


def test_without_a_notebook_show_prints_words_and_how_to_save_the_picture(capsys):
    array = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
    lg.show(array, form="caption")
    assert capsys.readouterr().out == (
        "Weight, 1 layer by 2 heads. Values 0.25 to 0.50.\n\n"
        'Its picture: lg.save(lg.draw(map), "weight.png")\n'
    )
    lg.show(array.to_dataset(name="weight"), form="caption")
    assert 'lg.save(lg.draw(maps["weight"]), "weight.png")' in capsys.readouterr().out


class ResultOfARun:
    """As experiments return it: maps by name, among other things."""

    def __init__(self, array):
        self.maps = {"auroc": array}


def test_show_takes_results_and_refuses_what_is_no_map(capsys):
    array = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
    lg.show(ResultOfARun(array))
    assert '"auroc.png"' in capsys.readouterr().out
    for wrong in (3, {}, {"a": 1}):
        with pytest.raises(lg.LayergramError, match="to show a map"):
            lg.show(wrong)
    with pytest.raises(lg.LayergramError, match="form of a description"):
        lg.show(array, form="long")
    with pytest.raises(lg.LayergramError, match="choice of a figure"):
        lg.show(array, colour="red")


def test_terminal_text_wraps_under_its_first_word_and_keeps_words_and_tables():
    text = "  - The highest value is at layer 12, head a-b-c.\n| a table | is kept whole | as is |"
    assert wrapped(text, None) == text
    assert wrapped(text, 24).split("\n") == [
        "  - The highest value is",
        "    at layer 12, head",
        "    a-b-c.",
        "| a table | is kept whole | as is |",
    ]
    assert wrapped("proved  no query attends to a later one", 24).split("\n") == [
        "proved  no query attends",
        "        to a later one",
    ]
    long = "x" * 60
    assert wrapped(f"- {long}", 24).replace("\n  ", " ") == f"- {long}"
