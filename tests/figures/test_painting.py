import itertools
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from gallery_figures import examples
from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import Style, draw, fonts, paint, plan, save

PIECES = ["\\boxed{", "$x^2$", "$", " and", "_{a}", "^", "\n", "13", "is"]


def tokens(count=9):
    texts = [PIECES[i % len(PIECES)] for i in range(count)]
    values = np.random.default_rng(0).uniform(0, 1, (6, count))
    values[2, 1] = np.nan
    return maps.make(
        values,
        ("layer", "token"),
        measure="amount",
        coords={"token_text": ("token", texts)},
        missing="made so",
    )


def inches(artist, painted):
    box = artist.get_window_extent()
    return np.array([box.width, box.height]) / painted.dpi


@pytest.mark.parametrize("example", examples().values(), ids=list(examples()))
def test_the_plain_data_of_every_kind_becomes_json(example):
    figure = plan(example.maps, style=example.style)
    read = json.loads(json.dumps(figure.to_plain(), allow_nan=False))
    assert len(read["panels"]) == len(figure.panels)
    assert read["panels"][0]["x"]["ticks"]


def test_panels_get_the_size_that_was_planned():
    example = examples()["depth_under_map"]
    figure = plan(example.maps, style=example.style)
    painted = paint(figure)
    assert inches(painted.axes[0], painted) == pytest.approx(
        [figure.panel_width, figure.row_heights[0]], rel=0.03
    )
    last = painted.axes[len(figure.panels) - 1]
    assert inches(last, painted)[1] == pytest.approx(figure.row_heights[-1], rel=0.05)


def test_forty_eight_labels_are_drawn_and_none_touches_another():
    painted = draw(tokens(48))
    boxes = [label.get_window_extent() for label in painted.axes[0].get_xticklabels()]
    assert len(boxes) == 48
    assert all(left.x1 <= right.x0 + 0.5 for left, right in itertools.pairwise(boxes))


def test_dollars_and_braces_are_text_and_text_stays_text_in_svg(tmp_path):
    svg = save(plan(tokens()), tmp_path / "map.svg").read_text(encoding="utf-8")
    for piece in ("\\boxed{", "$x^2$", "_{a}", "↵"):
        assert f">{piece}</text>" in svg


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_figure_makes_the_same_file(tmp_path, suffix):
    figure = plan(tokens(2))
    first, second = (save(figure, tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
    assert first == second
    assert b"CreationDate" not in first
    if suffix == ".pdf":
        assert b"/FontFile2" in first


def test_cells_have_their_colours_and_those_beyond_the_limits_the_last_one():
    figure = plan(tokens(), style=Style(limits=(0.2, 0.6)))
    panel, scale = figure.panels[0], figure.scales[0]
    mesh = paint(figure).axes[0].collections[0]
    mesh.update_scalarmappable()
    painted = mesh.get_facecolor().reshape(*panel.values.shape, 4)
    above, below = panel.values > 0.6, panel.values < 0.2
    assert above.any()
    assert below.any()
    assert (painted[above] == to_rgba(scale.colours[-1])).all()
    assert (painted[below] == to_rgba(scale.colours[0])).all()
    assert (painted[np.isnan(panel.values)][:, 3] == 0).all(), "the hatched ground shows through"


def test_marks_lie_around_their_cells():
    painted = draw(tokens(), mark=("2:4,3:5",))
    box = painted.axes[0].patches[0].get_bbox()
    assert (box.x0, box.x1, box.y0, box.y1) == (2.5, 5.5, 0.5, 3.5)


def test_characters_without_a_font_are_named_in_one_warning(monkeypatch):
    monkeypatch.setattr(fonts, "_candidates", list)
    array = tokens(3).assign_coords(token_text=("token", ["世", "界", "𓀀"]))
    with pytest.warns(UserWarning, match="fonts-noto-cjk") as caught:
        draw(array)
    assert len(caught) == 1
    assert "fonts-noto-core" in str(caught[0].message)


def test_invisible_characters_need_no_font():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fonts.families_for(["a\u200e\ufe0f\u200d"]) == ([fonts.BASE], "")


@pytest.mark.parametrize("path", ["map.html", "map", "map.jpg"])
def test_other_formats_are_refused(tmp_path, path):
    with pytest.raises(LayergramError, match=r"Allowed: \.png, \.svg, \.pdf"):
        save(plan(tokens()), tmp_path / path)


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LayergramError, match="choose a folder that can be written"):
        save(plan(tokens(2)), tmp_path / "file" / "map.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_choice_is_refused():
    with pytest.raises(LayergramError, match="did you mean 'colours'"):
        draw(tokens(), colour="viridis")


def test_drawing_needs_neither_torch_nor_pyplot(tmp_path):
    maps.write(tokens(3), tmp_path / "map.nc")
    code = (
        "import sys; from layergram.cli import main; "
        f"code = main(['draw', {str(tmp_path / 'map.nc')!r}]); "
        "sys.exit(code or any(m in sys.modules for m in ('torch', 'matplotlib.pyplot')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "map.png").stat().st_size > 1000
