"""The likeliest token of every cell of the lens, against plain transformers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from layergram import maps
from layergram.engine.reducers import MOST_CELLS, NamedTokens, QueryColumns, TokenColumns
from layergram.maps.build import storable
from layergram.measures import MEASURES
from layergram.recipe import Run
from layergram.token_sources import Source
from layergram.tracing import Trace, trace

TEXT = "The capital of France is Paris, is it not?"


@pytest.fixture(scope="module", params=[1, 5, 1000])
def found(request, tiny):
    return trace(tiny, TEXT, measures=["lens_token"], run=Run(chunk=request.param))["lens_token"]


def predictions(model, ids):
    """Probabilities [layer, token, V] after each token: hidden states, norm, unembedding."""
    inside = model.network
    with torch.no_grad():
        states = inside(torch.tensor([ids]), output_hidden_states=True).hidden_states[1:]
        layers = [inside.lm_head(inside.model.norm(state[0])) for state in states[:-1]]
        layers.append(inside.lm_head(states[-1][0]))  # transformers has normed the last one
    return torch.stack(layers).double().softmax(-1).numpy()


def test_tokens_and_probabilities_are_those_of_the_hidden_states(tiny, found):
    expected = predictions(tiny, found["token_id"].values.tolist())[:, :-1]
    ids = found["top_token_id"].values
    assert found["top_token_id"].dims == ("layer", "token") and ids.dtype.kind == "i"
    np.testing.assert_array_equal(ids[:, 1:], expected.argmax(-1))
    np.testing.assert_allclose(found.values[:, 1:], expected.max(-1), atol=1e-5)
    assert len(np.unique(ids)) > 2


def test_texts_are_those_of_the_tokenizer_and_nothing_predicts_the_first_token(tiny, found):
    ids, texts = found["top_token_id"].values, found["top_token_text"].values
    assert (ids[:, 0] == -1).all() and (texts[:, 0] == "").all()
    assert np.isnan(found.values[:, 0]).all()
    for at in np.ndindex(ids[:, 1:].shape):
        piece = tiny.tokenizer.decode([int(ids[:, 1:][at])], clean_up_tokenization_spaces=False)
        assert texts[:, 1:][at] == storable(piece)


@pytest.mark.parametrize("suffix", [".nc", ".json", ".zarr"])
def test_tokens_survive_files_and_slices(found, tmp_path, suffix):
    again = maps.read(maps.write(found, tmp_path / f"map{suffix}"))
    for name in maps.LENS_COORDINATES:
        assert again[name].dims == ("layer", "token")
        np.testing.assert_array_equal(again[name].values, found[name].values)
        part = again.isel(layer=-1, token=slice(2, 5))[name]
        np.testing.assert_array_equal(part.values, found[name].values[-1, 2:5])
    assert again["top_token_id"].dtype.kind == "i"


def test_the_numbers_of_tokens_are_not_taken_for_the_values_of_a_table(found, tmp_path):
    again = maps.read(maps.write(found, tmp_path / "map.csv"))
    assert again.name == "lens_token"
    np.testing.assert_allclose(again.values, found.values, rtol=1e-6)


def test_a_cell_names_the_five_likeliest_with_their_probabilities(tiny, found):
    expected = predictions(tiny, found["token_id"].values.tolist())[:, :-1]
    texts = found["top_tokens"].values
    assert (texts[:, 0] == "").all()
    for layer, at in np.ndindex(expected.shape[:2]):
        order = np.argsort(-expected[layer, at])[:5]
        shares = [float(share) for share in re.findall(r" ([0-9.]+)%", texts[layer, at + 1])]
        np.testing.assert_allclose(shares, 100 * expected[layer, at, order], atol=0.06)
        first = json.dumps(storable(tiny.tokenizer.decode([int(order[0])])), ensure_ascii=False)
        assert texts[layer, at + 1].startswith(f"{first} ")


def test_a_map_of_many_cells_names_the_likeliest_alone(tiny, monkeypatch):
    monkeypatch.setattr("layergram.tracing.MOST_CELLS", 3 * 12)
    ids = [5] * 13
    small, large = (
        trace(tiny, ids=ids[:n], measures=["lens_token"])["lens_token"] for n in (12, 13)
    )
    assert "top_tokens" in small.coords and "top_tokens" not in large.coords
    assert "top_token_text" in large.coords


def test_the_likeliest_tokens_of_many_cells_are_not_kept(tiny, monkeypatch):
    monkeypatch.setattr("layergram.tracing.MOST_CELLS", 3 * 12)
    one = Trace(tiny, Source(ids=[5] * 13), measures=["lens_token"], run=Run(chunk=6))
    kept = [one.reducers["lens_token"].top_tokens(0) is not None for _ in one.steps()]
    assert kept == [True, True, False]
    assert not one.reducers["lens_token"].ranked


def test_the_number_of_cells_that_is_said_is_the_limit():
    said = f"{MOST_CELLS:,} cells"
    pages = (Path(__file__).parents[1] / "docs/pages.md").read_text(encoding="utf-8")
    for text in (
        MEASURES["lens_token"].function.__doc__,
        trace.__doc__,
        maps.LENS_COORDINATES["top_tokens"],
        pages,
    ):
        assert said in " ".join(text.split())


def second(view):
    """Probability of the second likeliest token."""
    logits = view.prediction.logits
    p, ids = logits.double().softmax(-1).topk(4)
    return NamedTokens(p[:, 1].float(), ids[:, 1], p[:, 1:].float(), ids[:, 1:])


def values_and_ids(view):
    """Values and ids alone."""
    found = second(view)
    return NamedTokens(found.values, found.ids)


class Ids(QueryColumns):
    """A reducer with ids of its own, and nothing else."""

    def token_ids(self, tokens):
        return np.full((self.reduction.layers, tokens), 7)


def added(monkeypatch, **changes):
    """One more measure that names tokens."""
    record = replace(MEASURES["lens_token"], name="second_token", **changes)
    monkeypatch.setitem(MEASURES, "second_token", record)


@pytest.mark.parametrize("names", [["lens_token", "second_token"], ["second_token", "lens_token"]])
def test_two_measures_name_their_own_tokens(tiny, monkeypatch, names):
    added(monkeypatch, function=second)
    alone = {one: trace(tiny, TEXT, measures=[one])[one] for one in names}
    steps = Trace(tiny, Source(TEXT), measures=names, run=Run(chunk=4))
    columns = [step.columns for step in steps.steps()]
    for name in names:
        for coordinate in maps.LENS_COORDINATES:
            found = np.concatenate([step[name][coordinate].values for step in columns], axis=1)
            np.testing.assert_array_equal(found, alone[name][coordinate].values)
    assert (alone[names[0]].top_tokens != alone[names[1]].top_tokens).any()
    assert steps.maps().top_tokens.attrs["measure"] == names[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"function": values_and_ids, "reducer": TokenColumns},
        {"function": lambda view: (-view.prediction.log_total).exp(), "reducer": Ids},
    ],
    ids=["values and ids", "reducer of its own"],
)
def test_a_measure_need_not_name_more_than_one_token(tiny, monkeypatch, changes):
    added(monkeypatch, **changes)
    found = trace(tiny, TEXT, measures=["second_token"], run=Run(chunk=4))["second_token"]
    assert "top_tokens" not in found.coords
    assert (found["top_token_id"].values[:, 1:] >= 0).all()
    assert (found["top_token_text"].values[:, 0] == "").all()


def test_other_maps_of_a_run_keep_the_likeliest_token_alone(tiny, tmp_path):
    names = ["lens_token", "divergence", "attention_received", "settling_depth"]
    steps = Trace(tiny, Source(TEXT), measures=names, run=Run(chunk=4))
    columns = [step.columns for step in steps.steps()][-1]
    made = steps.maps()
    for name in names:
        kept = maps.read(maps.write(made[name], tmp_path / f"{name}.nc"))
        for array in (kept, columns[name]):
            assert ("top_tokens" in array.coords) == (name == "lens_token")
            assert ("top_token_text" in array.coords) == ("layer" in array.dims)
