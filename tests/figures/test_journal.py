"""Figures that a journal takes: their width, the reader's own Axes, colours, fonts and notes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

import layergram as lg
from gallery_figures import examples
from layergram import figures, maps
from layergram.cli import main
from layergram.errors import LayergramError


def amount(*sizes, dims=("layer", "token"), **attrs):
    values = np.random.default_rng(0).uniform(0, 1, sizes)
    return maps.make(values, dims, measure="amount", **attrs)


def millimetres(path):
    with Image.open(path) as picture:
        return picture.width / picture.info["dpi"][0] * 25.4


KINDS = {
    "three maps": {name: amount(12, 60) for name in ("one", "two", "three")},
    "four maps with scales of their own": [
        maps.make(np.full((4, 52), 10.0**at), ("layer", "token"), measure=f"measure {at}")
        for at in range(4)
    ],
    "32 heads": amount(32, 8, 20, dims=("head", "layer", "token")),
    "556 tokens": amount(4, 556),
    "long names of rows": maps.make(
        np.ones((3, 9)),
        ("head", "token"),
        measure="m",
        coords={"head": [f"a long name of role {at}" for at in range(3)]},
    ),
    "query by key": amount(70, 70, dims=("query", "key")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [183, 120])
def test_no_figure_is_wider_than_the_page_and_nothing_is_cut_off(kind, width, tmp_path):
    painted = lg.draw(KINDS[kind], width=width)
    path = lg.save(painted, tmp_path / "map.png")
    assert 0.3 * width < millimetres(path) <= width + 0.1  # a pixel is 0.08 mm
    box = painted.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.x1 <= painted.get_size_inches()[0] + 0.01


@pytest.mark.parametrize("example", examples().values(), ids=list(examples()))
def test_every_figure_of_the_gallery_fits_the_page(example):
    figure = figures.plan(example.maps, style=example.style)
    painted = figures.paint(figure)
    assert painted.get_size_inches()[0] * 25.4 <= 183 + 0.1
    box = painted.axes[0].get_window_extent()
    assert box.width / painted.dpi >= 0.9 * figure.panel_width, "labels were planned for that room"


def test_a_figure_too_narrow_for_its_panels_is_refused():
    with pytest.raises(LayergramError, match="fewer columns"):
        lg.draw(amount(8, 5, 20, dims=("head", "layer", "token")), columns=8, width=89)
    with pytest.raises(LayergramError, match="40 or more"):
        lg.draw(amount(2, 2), width=20)


def test_more_panels_than_a_page_holds_are_refused_in_one_message(tmp_path, capsys):
    lg.write(amount(801, 3, 4, dims=("head", "layer", "token")), tmp_path / "map.nc")
    assert main(["draw", str(tmp_path / "map.nc")]) == 2
    said = capsys.readouterr().err
    assert "801 panels" in said
    assert "800 panels in one figure" in said
    assert main(["draw", str(tmp_path / "map.nc"), "--kind", "lines"]) == 2
    assert "120 panels in one figure" in capsys.readouterr().err


def test_a_map_is_painted_into_axes_of_your_own():
    own = Figure(figsize=(8, 3))
    left, right = own.subplots(1, 2)
    right.plot([1, 2])
    array = amount(4, 6)
    assert lg.draw(array, ax=left, cmap="cividis") is own
    mesh = left.collections[0]
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(4, 6), array.values, rtol=1e-6)
    assert (
        to_hex(mesh.cmap(1.0))
        == figures.plan(array, style=lg.Style(colours="cividis")).scales[0].colours[-1]
    )
    assert left.get_xlabel() == "Token"
    assert len(own.axes) == 3, "the colour bar stands beside it"
    assert len(right.lines) == 1


def test_axes_of_your_own_take_one_panel():
    with pytest.raises(LayergramError, match="3 panels"):
        lg.draw(amount(3, 4, 5, dims=("head", "layer", "token")), ax=Figure().subplots())


def test_colour_maps_by_the_usual_name(tmp_path, capsys):
    path = tmp_path / "map.nc"
    lg.write(amount(3, 4), path)
    assert main(["draw", str(path), "--cmap", "viridsi"]) == 2
    assert "did you mean 'viridis'" in capsys.readouterr().err
    with pytest.raises(LayergramError, match="one choice"):
        lg.draw(amount(3, 4), cmap="cividis", colours="magma")


def test_a_sequential_colour_map_of_a_signed_map_is_remarked():
    signed = maps.make([[-1.0, 2.0], [0.5, -2]], ("layer", "token"), measure="m", null_value=0.0)
    for name, remarks in (("viridis", 1), ("PuOr_r", 0), ("coolwarm", 0), ("YlOrBr", 1)):
        hints = figures.plan(signed, style=lg.Style(colours=name)).hints
        assert sum("sequential" in hint for hint in hints) == remarks


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_notes_can_be_left_out_of_the_picture_and_stay_in_the_file(tmp_path, suffix):
    array = amount(3, 200, coords={"token_text": ("token", ["it"] * 200)})
    note = "Every 5th token is labelled"
    assert any(note in line for line in figures.plan(array).notes)
    with_notes, without = lg.draw(array), lg.draw(array, notes="none")
    assert any(note in text.get_text() for text in with_notes.texts)
    assert not without.texts
    assert without.get_size_inches()[1] < with_notes.get_size_inches()[1]
    written = lg.save(without, tmp_path / f"map{suffix}").read_bytes()
    assert note.encode() in written


def test_a_font_that_is_installed_is_used_and_another_one_refused():
    painted = lg.draw(amount(3, 4), font="dejavu serif")
    assert painted.axes[0].xaxis.label.get_fontfamily()[0] == "DejaVu Serif"
    with pytest.raises(LayergramError, match=r"did you mean .*'DejaVu Serif'"):
        lg.draw(amount(3, 4), font="Dejavu Serrif")


@pytest.mark.parametrize(
    "texts",
    [
        ["=", "Wasserstoff", "MMMM", ".", "-", "-tion", "the", "a"] * 6,
        ["Ж", "щедрость", "ММММ", "=", "в", "Щука", ":", "и"] * 6,
    ],
    ids=["Latin", "Cyrillic"],
)
def test_short_labels_stand_upright_and_no_label_touches_another(texts):
    painted = lg.draw(amount(3, 48, coords={"token_text": ("token", texts)}))
    drawn = painted.axes[0].get_xticklabels()
    turned = {label.get_text(): label.get_rotation() for label in drawn}
    assert (turned["="], turned[texts[1]], turned[texts[2]]) == (0, 90, 90)
    boxes = [label.get_window_extent() for label in drawn]
    for left, right in itertools.pairwise(boxes):
        assert left.x1 <= right.x0 + 0.5


def test_a_long_axis_label_and_a_long_title_stay_inside_the_figure():
    array = amount(9, dims=("token",))
    array.attrs |= {"long_name": "a measure whose name is longer than its bars are tall"}
    painted = lg.draw(array, title="A long title of a small figure " * 6, width=89)
    width, height = painted.get_size_inches() * painted.dpi
    shown = [painted.axes[0].yaxis.label, painted.axes[0].xaxis.label, *painted.texts]
    for box in (text.get_window_extent() for text in shown):
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    top = max(shown[2:], key=lambda text: text.get_window_extent().y0).get_window_extent()
    assert top.y0 >= painted.axes[0].get_window_extent().y1, "the title stands above the cells"


@pytest.mark.parametrize("columns", [7, 48, 190])
def test_cells_meet_in_straight_lines_without_notches(columns, tmp_path):
    painted = lg.draw(amount(9, columns))
    path = lg.save(painted, tmp_path / "map.png")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    box = painted.axes[0].get_position()
    height, width = pixels.shape[:2]
    inside = pixels[
        int((1 - box.y1) * height) + 5 : int((1 - box.y0) * height) - 5,
        int(box.x0 * width) + 5 : int(box.x1 * width) - 5,
    ]
    rows = (np.abs(np.diff(inside, axis=0)).sum(axis=2) > 0).any(axis=1).sum()
    across = (np.abs(np.diff(inside, axis=1)).sum(axis=2) > 0).any(axis=0).sum()
    assert rows == 8, "all cells of a row begin and end at the same line of pixels"
    assert across == columns - 1
