"""The difference of two maps: what is matched with what, and what is refused where."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layergram import maps
from layergram.errors import LayergramError

TEXTS = ["A", " is", " 8", " is"]


def token_map(values=None, texts=TEXTS, **attributes):
    if values is None:
        values = np.arange(2 * len(texts)).reshape(2, -1) / 10
    given = {"units": "bit", "valid_min": 0, "valid_max": 1, "model": "one", **attributes}
    coords = {"token_text": ("token", texts), "token_id": ("token", list(range(len(texts))))}
    return maps.make(values, ("layer", "token"), measure="divergence", coords=coords, **given)


def role_map(values, roles, layers=(1, 2)):
    coords = {"layer": list(layers), "role": list(roles)}
    return maps.make(values, ("layer", "role"), measure="auroc", coords=coords)


@settings(max_examples=10)
@given(hnp.arrays(np.float32, (2, 2, 4), elements=st.floats(0, 1, width=32)))
def test_a_difference_is_cell_by_cell_and_turns_its_sign(values):
    a, b = token_map(values[0]), token_map(values[1])
    np.testing.assert_array_equal(maps.difference(a, b).values, values[0] - values[1])
    np.testing.assert_array_equal(maps.difference(a, b).values, -maps.difference(b, a).values)


CELLS = ("layer", "token")


@pytest.mark.parametrize("order", [1, -1], ids=["the first", "the second"])
def test_tokens_that_one_map_names_are_not_those_of_the_difference(order):
    words = np.array([list("abcd"), list("efgh")])
    fives = np.array([["five"] * 4] * 2)
    both = token_map().assign_coords(top_token_text=(CELLS, words))
    named = both.assign_coords(top_tokens=(CELLS, fives))
    found = maps.difference(*(named, both)[::order])
    assert "top_tokens" not in found.coords and "token_text" in found.coords
    assert (found.top_token_text.values == words).all()
    assert "top_token_text" not in maps.difference(*(both, token_map())[::order]).coords
    assert (maps.difference(named, named).top_tokens.values == fives).all()


def test_a_difference_has_no_tokens_of_another_measure():
    fives = (CELLS, [["five"] * 4] * 2, {"measure": "lens_token"})
    other = token_map().assign_coords(top_tokens=fives)
    assert "top_tokens" not in maps.difference(other, other).coords


def test_a_difference_says_what_it_is_and_who_made_both_sides():
    a = token_map(long_name="JSD", seed=1, text="T", options={"norm": "final"}, caveat="c")
    b = token_map(long_name="JSD", seed=1, text="T", model="two", run={"chunk": 1})
    result = maps.difference(a, b, names=("a.nc", "b.nc"))
    assert result.name == result.attrs["measure"] == "difference"
    assert (result.attrs["of"], result.attrs["units"]) == ("divergence", "bit")
    assert result.attrs["long_name"] == "difference in JSD"
    assert (result.attrs["null_value"], result.attrs["valid_min"]) == (0.0, -1)
    assert (result.attrs["valid_max"], result.attrs["caveat"]) == (1, "c")
    assert (result.attrs["seed"], result.attrs["text"]) == (1, "T")
    assert "model" not in result.attrs
    sides = [json.loads(result.attrs[key]) for key in ("minuend", "subtrahend")]
    assert [side["model"] for side in sides] == ["one", "two"]
    assert [side["name"] for side in sides] == ["a.nc", "b.nc"]
    assert json.loads(sides[0]["options"]) == {"norm": "final"}
    assert json.loads(sides[1]["run"]) == {"chunk": 1}
    assert set(result.attrs) <= set(maps.ATTRIBUTES)


def test_a_difference_can_be_written_and_read(tmp_path):
    result = maps.difference(token_map(), token_map())
    back = maps.read(maps.write(result, tmp_path / "difference.nc"))
    assert back.attrs == result.attrs
    assert back.token_text.values.tolist() == TEXTS


def test_roles_and_layers_are_matched_by_name_in_any_order():
    a = role_map([[1.0, 2], [3, 4]], ["last_q", "-1"])
    b = role_map([[40.0, 30], [20, 10]], ["-1", "last_q"], layers=(2, 1)).transpose("role", "layer")
    result = maps.difference(a, b)
    assert result.dims == ("layer", "role")
    assert result.values.tolist() == [[1 - 10, 2 - 20], [3 - 30, 4 - 40]]


def test_cells_without_a_value_keep_their_reasons():
    a = token_map(np.float32([[np.nan, 0, 0, 0]]), missing="no query")
    b = token_map(np.float32([[0, np.nan, 0, 0]]), missing="no key")
    assert np.isnan(maps.difference(a, b).values).tolist() == [[True, True, False, False]]
    assert maps.difference(a, b, names=("a", "b")).attrs["missing"] == "a: no query; b: no key"
    assert maps.difference(a, a).attrs["missing"] == "no query"
    assert "missing" not in maps.difference(token_map(), token_map()).attrs


def test_intervals_are_not_those_of_the_difference():
    a = role_map([[1.0], [2.0]], ["last_q"])
    b = a.copy()
    for name in ("low", "high", "p_value"):
        a = a.assign_coords({name: (("layer", "role"), [[0.0], [0.0]])})
    assert maps.cell_coordinates(maps.difference(a, b)) == []
    assert maps.cell_coordinates(maps.difference(b, a)) == []


def test_coordinates_that_differ_are_left_out():
    a, b = token_map(), token_map().assign_coords(token_id=("token", [9, 9, 9, 9]))
    result = maps.difference(a, b)
    assert "token_id" not in result.coords
    assert "token_text" in result.coords


def test_the_first_token_that_differs_is_shown_with_both_texts():
    with pytest.raises(LayergramError) as caught:
        maps.difference(
            token_map(), token_map(texts=["A", " was", " 8", " was"]), names=("a.nc", "b.nc")
        )
    assert "at token 1: ' is' in a.nc, ' was' in b.nc" in str(caught.value)


def test_ids_are_compared_where_there_are_no_texts():
    a, b = (token_map().drop_vars("token_text") for _ in range(2))
    b = b.assign_coords(token_id=("token", [0, 1, 7, 3]))
    with pytest.raises(LayergramError, match=r"at token 2: 2 in .* 7 in"):
        maps.difference(a, b)


def test_a_longer_text_is_refused_or_compared_as_far_as_it_goes():
    longer = token_map(texts=[*TEXTS, " 13"], values=np.zeros((2, 5)))
    with pytest.raises(LayergramError, match="tokens only in the second map: 4"):
        maps.difference(token_map(), longer)
    assert maps.difference(token_map(), longer, match="common").sizes == {"layer": 2, "token": 4}


def test_common_tokens_end_where_the_texts_part():
    other = token_map(texts=["A", " is", " 9", " is"])
    result = maps.difference(token_map(), other, match="common")
    assert result.token_text.values.tolist() == ["A", " is"]


def test_common_labels_are_those_of_both():
    a = role_map([[1.0, 2], [3, 4]], ["last_q", "-1"])
    b = role_map([[1.0, 2], [3, 4]], ["-2", "-1"], layers=(2, 3))
    result = maps.difference(a, b, match="common")
    assert (result.layer.values.tolist(), result.role.values.tolist()) == ([2], ["-1"])
    assert result.values.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (role_map([[1.0]], ["last_q"], layers=(1,)), "layers only in the first map: 2"),
        (role_map([[1.0], [2]], ["-1"]), "roles only in the first map: last_q; only in the second"),
        (role_map([[1.0], [2]], ["last_q"]).rename("x").assign_attrs(measure="x"), "measure auroc"),
        (role_map([[1.0], [2]], ["last_q"]).assign_attrs(units="bit"), "units 1 .* bit"),
        (role_map([[1.0], [2]], ["last_q"]).assign_attrs(alignment="reads"), "alignment unknown"),
        (token_map(), "the axes layer, role and layer, token"),
    ],
)
def test_maps_that_do_not_match_are_one_message(other, words):
    with pytest.raises(LayergramError, match=words):
        maps.difference(role_map([[1.0], [2.0]], ["last_q"]), other)


def test_nothing_in_common_is_refused():
    a, b = role_map([[1.0]], ["-1"], layers=(1,)), role_map([[1.0]], ["-1"], layers=(2,))
    with pytest.raises(LayergramError, match=r"no layer in common: 1 in .* 2 in"):
        maps.difference(a, b, match="common")


def test_a_match_of_another_name_is_refused():
    with pytest.raises(LayergramError, match="did you mean 'common'"):
        maps.difference(token_map(), token_map(), match="comon")
