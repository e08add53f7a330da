"""The causal test: scores of steps, masked against random heads, the matrix as map and words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import xarray as xr

import planted
from layergram import maps
from layergram.datasets.step_sequences import AnswerSpan, StepSequence
from layergram.datasets.steps import Step, StepSet
from layergram.engine.sampling import Sampling, Stream, generate
from layergram.errors import LayergramError
from layergram.figures import plan
from layergram.interventions.causal_test import causal_test, of_function
from layergram.interventions.effects import Passes, causal_matrix, effects
from layergram.interventions.masking import Masking, other_heads
from layergram.interventions.mean_outputs import mean_outputs
from layergram.interventions.scoring import scores
from layergram.models.edits import HeadEdit, editable_heads, edited
from layergram.models.hooks import capture_heads
from layergram.statistics.bootstrap import Bootstrap
from layergram.words import describe, facts
from layergram.words.find import holds

torch.set_num_threads(1)

COPYING, REPEATING = "Retrieval", "Inference"
TOP = {COPYING: [planted.COPY], REPEATING: [planted.MATCHED, planted.INDUCTION]}


@pytest.fixture(scope="module")
def model():
    return planted.model()


def step(at, function, group, answer):
    return Step(str(at), "", "what comes next", answer, function, group, "")


@pytest.fixture(scope="module")
def told():
    """Readings whose answers only the copying head knows, and such as only the induction pair."""
    steps, readings = [], []
    for seed in range(12):
        ids = planted.there_and_back(seed)
        spans = []
        for at in (9, 21):
            spans.append(AnswerSpan(len(steps), at, at, (at,)))
            steps.append(step(len(steps), COPYING, f"copy {seed}", f"w{ids[at]}"))
        readings.append(StepSequence(tuple(ids), tuple(spans)))
        ids = planted.repeated(seed, half=8 + seed % 5)
        half = len(ids) // 2
        first, last = half + 3, half + 5
        words = " ".join(f"w{one}" for one in ids[first : last + 1])
        readings.append(StepSequence(tuple(ids), (AnswerSpan(len(steps), first, last, (first,)),)))
        steps.append(step(len(steps), REPEATING, f"repeat {seed}", words))
    return readings, StepSet("planted", tuple(steps))


def test_scores_are_the_models_own_log_likelihoods(model, told):
    readings, steps = told
    found = scores(model, readings, steps)
    assert found["score"].values.tolist() == ["log_likelihood", "token_accuracy", "exact"]
    assert found["step"].values.tolist() == list(range(len(steps)))
    for reading in readings:
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([reading.ids])).logits[0].double()
        log_p = torch.log_softmax(logits, -1)
        for span in reading.spans:
            places = range(span.first, span.last + 1)
            own = [float(log_p[at - 1, reading.ids[at]]) for at in places]
            hits = [int(log_p[at - 1].argmax()) == reading.ids[at] for at in places]
            expected = [np.mean(own), np.mean(hits), float(all(hits))]
            np.testing.assert_allclose(found.sel(step=span.step), expected, atol=1e-5)


def test_exact_says_whether_the_model_would_answer_so_itself(tiny):
    """The answers are the model's own, some of them changed at one token."""
    random = torch.Generator().manual_seed(0)
    steps, readings = [], []
    for at in range(8):
        ids = torch.randint(5, 300, (6 + at,), generator=random).tolist()
        answer = list(generate(tiny, [ids], [Stream(Sampling(4))])[0])
        if at % 2:
            answer[at // 2] = (answer[at // 2] + 1) % 300
        last = len(ids) + len(answer) - 1
        readings.append(
            StepSequence((*ids, *answer, 7), (AnswerSpan(at, len(ids), last, (last,)),))
        )
        steps.append(step(at, COPYING, str(at), tiny.tokenizer.decode(answer)))
    steps = StepSet("own", tuple(steps))
    found = scores(tiny, readings, steps)
    assert found.sel(score="exact").values.tolist() == [1, 0] * 4
    hits = found.sel(score="token_accuracy").values
    assert (hits[::2] == 1).all() and (hits[1::2] < 1).all() and (hits[1::2] > 0).any()
    own = scores(tiny, readings, steps, scoring="generated")
    assert own["score"].values.tolist() == ["right", "exact_match", "rouge1"]
    assert own.shape == (8, 3) and ((own >= 0) & (own <= 1)).all()


def test_generated_answers_are_compared_with_the_given_ones(model, told):
    readings, steps = told
    found = scores(model, readings, steps, scoring="generated")
    # the model goes on after the answer, which costs precision but not recall
    repeating = [at for at, one in enumerate(steps.steps) if one.function == REPEATING]
    rouge = found.sel(score="rouge1", step=repeating).values
    with edited(model, HeadEdit((planted.INDUCTION,))):
        without = scores(model, readings, steps, scoring="generated")
    assert rouge.mean() > without.sel(score="rouge1", step=repeating).values.mean() + 0.2


@pytest.fixture(scope="module")
def tested(model, told):
    return causal_test(model, *told, TOP)


def test_masking_the_heads_of_a_function_hurts_that_function(tested):
    change = tested["change"].sel(score="log_likelihood")
    for name in TOP:
        own = change.sel(masked=name, function=name)
        other = change.sel(masked=name, function=next(f for f in TOP if f != name))
        assert own < -0.5 and own < 3 * other
        against = tested.sel(score="log_likelihood", masked=name)
        assert against["difference_high"] < 0 and against["difference"] < -0.5
        assert against["difference_low"] < against["difference"] < against["difference_high"]
        assert float(against["random"]) == pytest.approx(float(against["random_draws"].mean()))
        assert float(against["difference"]) == pytest.approx(float(own - against["random"]))
    assert tested["heads"].values.tolist() == [1, 2]
    assert tested["steps"].values.tolist() == [24, 12]
    assert tested["groups"].values.tolist() == [12, 12]


def test_the_interval_of_a_difference_is_around_the_difference(told):
    steps = told[1]
    coords = {"step": np.arange(len(steps)), "score": ["exact"]}

    def passed(value):
        return xr.DataArray(np.full((len(steps), 1), value), coords, ("step", "score"))

    passes = Passes(passed(1.0), {COPYING: passed(-0.5)}, {COPYING: [passed(0.0)] * 3})
    found = effects(passes, steps, Masking(draws=3)).sel(score="exact", masked=COPYING)
    for name, value in {"random": -1.0, "difference": -0.5}.items():
        ends = [float(found[f"{name}{end}"]) for end in ("_low", "", "_high")]
        assert ends == pytest.approx([value] * 3)


def test_cells_are_means_over_the_steps_of_a_function(model, told, tested):
    readings, steps = told
    before = scores(model, readings, steps)
    with edited(model, HeadEdit((planted.COPY,), how="scale", factor=1e-4)):
        after = scores(model, readings, steps)
    of = np.array([one.function for one in steps.steps])
    for name in TOP:
        expected = (after - before).values[of == name].mean(0)
        found = tested["change"].sel(masked=COPYING, function=name)
        np.testing.assert_allclose(found, expected, atol=1e-9)
        np.testing.assert_allclose(
            tested["unmasked"].sel(function=name), before.values[of == name].mean(0), atol=1e-9
        )


def test_steps_of_a_function_score_the_same_by_themselves(model, told):
    readings, steps = told
    own = of_function(readings, steps, COPYING)
    assert len(own) == 12 and all(len(reading.ids) == 22 for reading in own)
    whole = scores(model, readings, steps)
    alone = scores(model, own, steps)
    np.testing.assert_allclose(alone, whole.sel(step=alone["step"]), atol=1e-5)


def test_a_killed_test_goes_on_and_ends_the_same(model, told, tested, folder):
    class Stop(Exception):
        pass

    readings = []

    def stop(done, total):
        readings.append((done, total))
        if done > total / 2:
            raise Stop

    with pytest.raises(Stop):
        causal_test(model, *told, TOP, folder=folder, progress=stop)
    assert readings[0][1] == 24 * 3 + 5 * 12 * 2
    again = []
    found = causal_test(model, *told, TOP, folder=folder, progress=lambda *told: again.append(told))
    assert again[-1] == (readings[0][1], readings[0][1])
    found.attrs.pop("created", None)
    assert found.identical(tested)
    other = {**TOP, COPYING: [planted.FIRST]}  # in the same folder, and not mixed up with it
    beside = causal_test(model, *told, other, folder=folder)
    assert beside.identical(causal_test(model, *told, other))
    with pytest.raises(LayergramError, match="another run"):
        causal_test(model, told[0][1:], told[1], TOP, folder=folder)


def test_other_heads_are_other_heads_and_differ_from_draw_to_draw(model):
    for others in ("any", "same_layers"):
        masking = Masking(others=others, draws=4)
        found = other_heads(model, TOP[REPEATING], masking, 0)
        assert found == other_heads(model, TOP[REPEATING], masking, 0)
        assert len({tuple(heads) for heads in found}) > 1
        for heads in found:
            assert len(set(heads)) == 2 and not set(heads) & set(TOP[REPEATING])
            if others == "same_layers":
                assert sorted(layer for layer, _ in heads) == [1, 2]


@pytest.mark.parametrize("how", ["zero", "mean"])
def test_heads_are_masked_by_zero_or_by_their_mean(model, told, how, tested):
    readings, steps = told
    found = causal_test(model, readings, steps, TOP, masking=Masking(how=how, draws=2))
    change = found["change"].sel(score="log_likelihood", masked=COPYING, function=COPYING)
    published = tested["change"].sel(score="log_likelihood", masked=COPYING, function=COPYING)
    assert change < -0.3
    if how == "zero":
        assert float(change) == pytest.approx(float(published), abs=1e-3)


def test_the_models_own_answers_get_worse_where_it_is_edited_as_it_writes(model, told):
    masking = Masking(scoring="generated", positions="last", draws=2)
    found = causal_test(model, *told, {COPYING: TOP[COPYING]}, masking=masking)
    own = found.sel(masked=COPYING, score="rouge1")
    assert own["change"].sel(function=COPYING) < -0.5 * own["unmasked"].sel(function=COPYING)
    assert own["change"].sel(function=REPEATING) == 0
    assert own["difference_high"] < 0


def test_the_mean_of_a_head_is_over_all_positions_and_no_padding(model, told):
    readings = told[0]
    sums, count = 0, 0
    with torch.no_grad(), capture_heads(model.parts) as heads:
        for reading in readings:
            model.network(input_ids=torch.tensor([reading.ids]))
            sums, count = sums + heads[1][0].double().sum(0), count + len(reading.ids)
    torch.testing.assert_close(
        mean_outputs(model, readings)[1], (sums / count).float(), rtol=1e-5, atol=1e-6
    )


def test_the_bootstrap_covers_the_truth():
    """Groups of three alike steps, and counterparts that differ from draw to draw."""
    random = np.random.default_rng(0)
    inside, against = [], []
    for seed in range(150):
        of_group = random.normal(size=30)
        noise = random.normal(scale=0.3, size=90)
        bootstrap = Bootstrap(np.repeat(np.arange(30), 3).tolist(), resamples=400, seed=seed)
        values = np.repeat(of_group, 3) + noise
        mean, low, high = bootstrap.interval(values)
        assert mean == pytest.approx(values.mean())
        inside.append(low <= 0 <= high)
        of_draw = random.normal(scale=0.5, size=(6, 1))
        others = of_draw + random.normal(scale=0.3, size=(6, 90))
        _, means = bootstrap.means(values)
        _, counterparts = bootstrap.counterparts(others)
        low, high = bootstrap.ends(means - counterparts)
        against.append(low <= 0 <= high)
    assert 0.88 <= np.mean(inside) <= 0.99
    assert 0.85 <= np.mean(against) <= 0.99


def test_the_matrix_is_a_map_that_can_be_drawn_and_described(tested, tmp_path):
    matrix = causal_matrix(tested)
    assert matrix.dims == ("masked", "function") and matrix.attrs["null_value"] == 0
    assert matrix.attrs["units"] == "nat per token"
    panel = plan(matrix).panels[0]
    assert (panel.y.label, panel.x.label) == ("Top heads masked", "Steps scored")
    assert plan(matrix).scales[0].kind == "diverging"
    assert "| Masked function / scored function | Retrieval | Inference |" in describe(matrix)
    assert all(holds(matrix, fact) for fact in facts(matrix))
    again = maps.read(maps.write(matrix, tmp_path / "m.nc"))
    np.testing.assert_array_equal(again["low"], matrix["low"])
    table = maps.read(maps.write(matrix, tmp_path / "m.csv"))
    assert table.dims == matrix.dims and table["masked"].values.tolist() == list(TOP)
    assert causal_matrix(tested, score="exact").attrs["valid_min"] == -1
    with pytest.raises(LayergramError, match="did you mean 'exact'"):
        causal_matrix(tested, score="exakt")


def test_the_result_says_what_was_masked(tested):
    assert json.loads(tested.attrs["top"])[COPYING] == [list(planted.COPY)]
    assert len(json.loads(tested.attrs["other_heads"])[REPEATING]) == 5
    assert math.isclose(json.loads(tested.attrs["options"])["factor"], 1e-4)


@pytest.mark.parametrize(
    ("top", "masking", "says"),
    [
        ({"Recall": [(1, 0)]}, {}, "no function with steps to test on"),
        ({COPYING: [(9, 0)]}, {}, "layers 1 to 3"),
        ({COPYING: [(1, 9)]}, {}, "heads 0 to 3"),
        ({COPYING: []}, {}, "no head"),
        ({COPYING: [(layer, h) for layer in (1, 2) for h in range(4)]}, {}, "a model of 12 heads"),
        ({COPYING: [(1, 0)]}, {"draws": 1}, "2 or more"),
        ({COPYING: [(1, 0)]}, {"how": "add"}, "no way to mask a head"),
        ({COPYING: [(1, 0)]}, {"others": "all"}, "no choice of other heads"),
        ({COPYING: [(1, 0)]}, {"positions": "last"}, "score generated answers"),
    ],
)
def test_a_test_that_cannot_be_made_is_refused(model, told, top, masking, says):
    with pytest.raises(LayergramError, match=says):
        causal_test(model, *told, top, masking=Masking(**masking))
    assert not any(m._forward_pre_hooks for m in model.network.modules())


def test_every_head_can_be_edited(model):
    assert len(editable_heads(model.parts)) == 12
