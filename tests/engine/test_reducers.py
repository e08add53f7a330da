"""A reducer that lacks a method is refused before anything is read with it."""

import pytest

from layergram.engine.reducers import Reducer, Reduction
from layergram.measures import MEASURES
from layergram.measures.registry import measure


class Half(Reducer):
    def take(self, view):
        pass


def test_a_reducer_without_a_method_makes_no_object():
    with pytest.raises(TypeError, match="values"):
        Half(Reduction(len, "lens", layers=2))


def test_a_measure_with_such_a_reducer_is_not_registered():
    with pytest.raises(TypeError, match="Half of of_a_half lacks values"):

        @measure(
            "lens",
            long_name="x",
            units="1",
            valid_min=0,
            valid_max=1,
            alignment="reads",
            caveat="",
            reducer=Half,
        )
        def of_a_half(view):
            """Nothing."""

    assert "of_a_half" not in MEASURES
