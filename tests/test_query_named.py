"""Attention from a query says which query: in its long name, the picture and the words."""

from __future__ import annotations

import pytest

from layergram.figures import plan
from layergram.token_sources import Source
from layergram.tracing import Trace, trace
from layergram.words import describe

TEXT = "The capital of France is 巴黎, and 8 + 5 = 13."


def named(tiny, query, text=TEXT):
    found = trace(tiny, text, measures=["attention_from"], options={"query": query})
    return found["attention_from"]


@pytest.mark.parametrize("query", ["France", " is", "巴黎", "capital of"])
def test_a_piece_of_the_text_is_named_with_its_positions(tiny, query):
    array = named(tiny, query)
    starts, ends = array.char_start.values, array.char_end.values
    begin = TEXT.index(query)
    own = [i for i, (s, e) in enumerate(zip(starts, ends, strict=True))
           if s < begin + len(query) and begin < e]  # fmt: skip
    covered = TEXT[starts[own[0]] : ends[own[-1]]].strip()
    where = f"position {own[0]}" if len(own) == 1 else f"positions {own[0]}–{own[-1]}"
    assert array.attrs["long_name"] == f'attention from "{covered}" ({where})'


def test_the_name_reaches_bar_title_and_words(tiny):
    array = named(tiny, 3)
    label = f'Attention from "{str(array.token_text.values[3]).strip()}" (position 3)'
    assert plan(array).scales[0].label == label
    assert describe(array).startswith(f"# {label}")


def test_the_last_token_and_several_are_named_as_such(tiny):
    last = len(named(tiny, "last").token) - 1
    assert named(tiny, "last").attrs["long_name"] == (
        f'attention from the last token, "." (position {last})'
    )
    several = named(tiny, [1, 5]).attrs["long_name"]
    assert several.endswith("(2 positions from 1 to 5)")
    long = named(tiny, list(range(30)), TEXT * 2).attrs["long_name"]
    assert "…" in long and len(long) < 90


def test_while_a_text_is_read_the_last_token_is_the_last_so_far(tiny):
    from layergram.recipe import Run

    one = Trace(tiny, Source(text=TEXT), measures=["attention_from"], run=Run(chunk=4))
    names = [step.maps["attention_from"].attrs["long_name"] for step in one.steps()]
    assert "(position 3)" in names[0] and "(position 7)" in names[1]
