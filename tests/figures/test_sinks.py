"""Colour limits beside attention sinks, and of maps around 0."""

import numpy as np
import pytest

import layergram as lg
from layergram import maps
from layergram.cli import main
from layergram.export import save_map
from layergram.figures import Style, plan
from layergram.figures.scales import DIVERGING, colours_of

LAYERS, TOKENS = 30, 40
RANDOM = np.random.default_rng(3).uniform(0.001, 0.03, (LAYERS, TOKENS))


def attention(sinks, *, dims=("layer", "token"), **attributes):
    """A map of attention whose columns at ``sinks`` are large; one other cell is, too."""
    values = RANDOM.copy()
    values[:, sinks] = 0.8
    values[11, 20] = 0.6
    words = {f"{dims[1]}_text": (dims[1], [f"w{at}" for at in range(TOKENS)])}
    given = {"valid_min": 0, "valid_max": 1, **attributes}
    return maps.make(values, dims, measure="attention_received", coords=words, **given)


def scale_of(array, **choices):
    return plan(array, style=Style(**choices)).scales[0]


def labels(scale):
    return [tick.label for tick in scale.ticks]


@pytest.mark.parametrize("sinks", [[0], [17], [0, 23], [5, 17, 39]])
@pytest.mark.parametrize("dims", [("layer", "token"), ("query", "key")])
def test_limits_come_from_the_cells_beside_the_sinks(sinks, dims):
    array = attention(sinks, dims=dims)
    figure = plan(array)
    scale = figure.scales[0]
    rest = np.delete(array.values, sinks, axis=1)
    assert np.percentile(rest, 99) == pytest.approx(0.03, abs=0.002)
    assert (scale.low, scale.high) == (0, pytest.approx(0.03))
    assert labels(scale)[-1] == "0.030+"
    assert scale.above == int((array.values > 0.03).sum())
    named = figure.notes[0]
    assert named.startswith(f"{len(sinks)} ")
    assert [word for word in named.split() if word.startswith('"w')] == [f'"w{n}"' for n in sinks]


def test_many_sinks_are_counted_and_the_first_five_named():
    note = plan(attention(list(range(3, 24, 3)))).notes[0]
    assert note.startswith("7 tokens lie far above the others and do not count")
    assert note.endswith('"w12" at position 12, "w15" at position 15 and 2 more.')


def test_without_a_sink_every_cell_counts():
    figure = plan(attention([]))
    assert (figure.scales[0].high, figure.scales[0].above) == (1, 0)
    assert figure.notes == figure.hints == ()


@pytest.mark.parametrize(("times", "found"), [(4.9, False), (5.1, True)])
def test_a_sink_has_five_times_the_median_of_the_columns(times, found):
    values = np.tile(np.linspace(0.01, 0.03, 21), (6, 1))
    values[:, 16] = times * 0.02  # the median of the columns stays 0.02
    figure = plan(maps.make(values, ("layer", "token"), measure="attention_received"))
    assert (len(figure.notes) == 2) == found
    assert (figure.scales[0].most > figure.scales[0].high) == found


def test_columns_that_are_many_or_end_where_the_others_do_are_no_sinks():
    many = np.full((6, 20), 0.01)
    many[:, :5] = 0.9  # a quarter of the columns
    mixed = np.full((6, 20), 0.01)
    mixed[:, 3] = 0.9
    mixed[0] = 0.8  # a row in which all are high
    for values in (many, mixed):
        figure = plan(maps.make(values, ("layer", "token"), measure="divergence"))
        assert figure.notes == ()
        assert (figure.scales[0].high, figure.scales[0].above) == (1, 0)
    many[:, 4] = 0.01
    figure = plan(maps.make(many, ("layer", "token"), measure="divergence"))
    assert figure.notes[0].startswith("4 tokens")


@pytest.mark.parametrize(
    ("most", "label"), [(0.124, "0.12+"), (0.00085, "0.0008+"), (0.0062, "0.006+"), (640, "600+")]
)
def test_the_upper_limit_lies_on_the_ticks(most, label):
    values = np.tile(np.linspace(0.001 * most, most / 0.9901, 101), (5, 1))
    values[:, 50] = 90 * most
    scale = scale_of(maps.make(values, ("layer", "token"), measure="amount"))
    assert labels(scale)[-1] == label
    gaps = np.diff([tick.at for tick in scale.ticks])
    assert gaps == pytest.approx(gaps[0])


def test_what_the_person_chooses_wins():
    array = attention([0, 17])
    given = plan(array, style=Style(limits=(0, 0.7)))
    assert (given.scales[0].low, given.scales[0].high) == (0, 0.7)
    assert not any("far above the others" in note for note in given.notes)
    assert scale_of(array, first_token="keep").high == 1
    assert scale_of(array, first_token="off_scale").high == 1, "the other sink counts"
    assert scale_of(array, first_token="leave_out").high == pytest.approx(0.03)
    assert scale_of(array, scale="log").high == 1
    assert scale_of(array, scale="percentile", percentiles=(0, 100)).high == pytest.approx(0.8)


def test_maps_with_a_null_or_negative_values_or_ranks_have_no_sinks():
    negative = attention([9], valid_min=-5)
    negative[0, 0] = -0.1
    ranks = maps.make([[1.0, 2, 900, 1], [3, 2, 800, 2]], ("layer", "token"), measure="rank")
    ranks.attrs["valid_min"] = 1.0
    assert plan(ranks).scales[0].kind == "log"
    for array in (attention([9], null_value=0.0), negative, ranks):
        assert not any("far above" in note for note in plan(array).notes)


def test_panels_of_one_scale_have_one_limit_and_each_names_its_sinks():
    figure = plan({"one": attention([0]), "two": attention([17])})
    assert len(figure.scales) == 1
    assert labels(figure.scales[0])[-1] == "0.030+"
    assert [note.split(":")[0] for note in figure.notes[:2]] == ["one", "two"]
    assert '"w17" at position 17' in figure.notes[1]


def test_one_map_has_one_picture_by_every_way(tmp_path, capsys):
    file, *_ = save_map(attention([0, 17]), tmp_path / "saved")
    assert main(["draw", str(file), "-o", str(tmp_path / "drawn.png")]) in (0, None)
    assert capsys.readouterr().err == ""
    lg.draw(lg.read(file)).savefig(tmp_path / "called.png")
    by_command = (tmp_path / "drawn.png").read_bytes()
    assert (tmp_path / "saved" / "attention_received.png").read_bytes() == by_command


def cosines(low, high):
    values = np.linspace(low, high, 40).reshape(4, 10)
    return maps.make(
        values, ("layer", "token"), measure="cosine_to_final", valid_min=-1, valid_max=1
    )


@pytest.mark.parametrize(
    ("low", "high", "limits", "kind"),
    [
        (0.0, 1.0, (0, 1), "linear"),
        (0.2, 0.9, (0, 1), "linear"),
        (-1.0, 0.0, (-1, 0), "linear"),
        (-0.9, -0.2, (-1, 0), "linear"),
        (0.9, 0.99, (0.9, 1.0), "linear"),
        (-0.6, 0.95, (-1, 1), "diverging"),
        (-0.3, 0.95, (-0.4, 1), "diverging"),
        (-0.9, 0.1, (-1, 0.2), "diverging"),
    ],
)
def test_a_range_around_0_is_cut_to_the_side_in_use(low, high, limits, kind):
    scale = scale_of(cosines(low, high))
    assert (scale.kind, scale.low, scale.high) == (kind, *map(pytest.approx, limits))
    assert (scale.palette == DIVERGING) == (kind == "diverging")
    assert scale.below == scale.above == 0


def test_few_values_of_the_other_sign_are_drawn_and_not_cut_off():
    array = maps.make(
        [[-0.1, 0.4, 1.2, 0.8]],
        ("layer", "head"),
        measure="effect",
        valid_min=-2,
        valid_max=2,
        null_value=0.0,
    )
    scale = scale_of(array)
    assert (scale.kind, scale.centre, scale.below) == ("diverging", 0, 0)
    assert (scale.low, scale.high) == pytest.approx((-0.2, 1.2))


def test_the_palette_of_negative_values_grows_darker_away_from_0():
    positive, negative = scale_of(cosines(0.1, 0.9)), scale_of(cosines(-0.9, -0.1))
    assert negative.colours == positive.colours[::-1]
    assert scale_of(cosines(-0.9, -0.1), colours="Greys").colours == colours_of("Greys")


@pytest.mark.parametrize(
    ("values", "limits"), [([0.2, 0.29], (0, 0.3)), ([-0.29, -0.2], (-0.3, 0))]
)
def test_a_difference_of_one_sign_runs_from_0(values, limits):
    array = maps.make([values], ("layer", "token"), measure="difference", null_value=0.0)
    scale = scale_of(array)
    assert (scale.kind, scale.low, scale.high) == ("linear", *map(pytest.approx, limits))


@pytest.mark.parametrize("scale", ["auto", "linear", "percentile", "log"])
@pytest.mark.parametrize(
    "values",
    [(1234100, 1234900), (1e-20, 9e-20), (1.2341e-20, 1.2349e-20)],
)
def test_ticks_of_a_map_differ(values, scale):
    array = maps.make(np.linspace(*values, 40).reshape(4, 10), ("layer", "token"), measure="m")
    names = labels(scale_of(array, scale=scale))
    assert len(set(names)) == len(names) >= 2
