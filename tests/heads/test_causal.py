"""The causal test: scores of steps, masked against random heads, the matrix as map and words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import planted
from layergram import maps
from layergram.datasets.step_sequences import AnswerSpan, StepSequence
from layergram.datasets.steps import Step, StepSet
from layergram.engine.sampling import Sampling, Stream, generate
from layergram.errors import LayergramError
from layergram.figures import Style, plan
from layergram.interventions.causal_test import causal_test, compared_steps, of_function
from layergram.interventions.effects import causal_matrix, dose_map
from layergram.interventions.masking import Masking, random_heads
from layergram.interventions.mean_outputs import mean_outputs, outputs_and_norms
from layergram.interventions.rank_test import rank_test
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


DRAWS = 12
TEST = Masking(draws=DRAWS, doses=(1, 2))


@pytest.fixture(scope="module")
def tested(model, told):
    return causal_test(model, *told, TOP, masking=TEST)


def test_masking_the_heads_of_a_function_hurts_that_function(tested):
    cells = tested.sel(score="log_likelihood")
    for name in TOP:
        own = cells.sel(masked=name, function=name)
        other = cells["change"].sel(masked=name, function=next(f for f in TOP if f != name))
        assert own["change"] < -0.5 and own["change"] < 3 * other
        assert own["change_low"] < own["change"] < own["change_high"] < 0
        assert float(own["published"]) == pytest.approx(float(own["change"]), rel=0.2)
        assert float(own["difference"]) == pytest.approx(float(own["change"] - own["random"]))
        assert own["difference_low"] <= own["difference"] <= own["difference_high"]
    assert tested["heads"].values.tolist() == [1, 2]
    assert tested["steps"].values.tolist() == [24, 12]
    assert tested["groups"].values.tolist() == [12, 12]


def test_where_there_are_few_sets_of_heads_the_own_one_is_among_the_random_ones(tested):
    """One of 4 heads of a layer: no p below about a quarter, however bad the own head is."""
    sets = json.loads(tested.attrs["random_heads"])
    assert [list(planted.COPY)] in sets[COPYING]
    for name, own in TOP.items():
        drawn = [[tuple(head) for head in heads] for heads in sets[name]]
        same = sum(heads == sorted(own) for heads in drawn)
        cells = tested.sel(score="log_likelihood", masked=name)
        assert int(cells["as_bad"]) >= same
        assert float(cells["p"]) == pytest.approx((1 + int(cells["as_bad"])) / (1 + DRAWS))
        assert cells["p"] <= cells["p_family"]


def table(generator, *, draws=39, functions=8, unlike=True):
    """Changes where sets differ among themselves, and functions are hurt unlike by any."""
    shape = (functions, 1 + draws, functions)
    of_set = generator.normal(size=(functions, 1 + draws, 1))
    scale = generator.gamma(2, size=functions) if unlike else 1.0
    return -scale * (1 + of_set + 0.5 * generator.normal(size=shape))


def test_random_sets_in_the_place_of_own_heads_are_rarely_told_from_random_sets():
    """The share of runs with any function is at most 5 %, three standard errors added."""
    generator = np.random.default_rng(0)
    found = [rank_test(table(generator), range(8)) for _ in range(400)]
    each = np.mean([one.p <= 0.05 for one in found])
    any_ = np.mean([(one.p_family <= 0.05).any() for one in found])
    assert any_ <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert each <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3200) and each > 0.03
    # ranks are even: no p is more likely than another
    low = np.mean([one.p <= 0.5 for one in found])
    assert low == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / 3200))


def test_a_planted_effect_is_found_and_one_on_all_functions_is_not():
    generator = np.random.default_rng(1)
    found = {"own": [], "all": []}
    for _ in range(100):
        changes = table(generator, unlike=False)
        spread = changes.std(1)
        own, everything = changes.copy(), changes.copy()
        own[0, 0, 0] -= 5 * spread[0, 0]
        everything[0, 0] -= 5 * spread[0]
        found["own"].append(rank_test(own, range(8)).p_family[0] <= 0.05)
        found["all"].append(rank_test(everything, range(8)).p_family[0] <= 0.05)
    assert np.mean(found["own"]) > 0.9
    assert np.mean(found["all"]) < 0.5


def test_nothing_that_every_set_does_counts():
    changes = np.zeros((2, 20, 3))
    changes[0, :, 0], changes[1, 0] = -5, -3  # a function that all hurts; a set that hurts all
    found = rank_test(changes, [0, 1])
    assert found.statistic == pytest.approx([0, 0], abs=1e-9)
    assert found.p.tolist() == found.p_family.tolist() == [1, 1]


def test_random_heads_are_scored_on_own_steps_and_a_few_of_each_other_function(told):
    readings, steps = told
    of = [one.function for one in steps.steps]
    for name in TOP:
        spans = [s for one in compared_steps(readings, steps, name) for s in one.spans]
        counts = {f: sum(of[span.step] == f for span in spans) for f in TOP}
        assert counts[name] == of.count(name)
        assert all(count == 2 for f, count in counts.items() if f != name)
    # steps that come before an own one in its sequence cost nothing more
    both = [StepSequence(readings[0].ids, readings[0].spans), *readings[2:]]
    mixed = StepSet("mixed", (step(0, REPEATING, "g", "x"), *steps.steps[1:]))
    spans = [s.step for one in compared_steps(both, mixed, COPYING)[:1] for s in one.spans]
    assert spans == [0, 1]
    after = StepSet("after", (*steps.steps[:1], step(1, REPEATING, "g", "x"), *steps.steps[2:]))
    spans = [s.step for one in compared_steps(readings[:1], after, COPYING) for s in one.spans]
    assert spans == [0, 1]  # the other function is there after an own step alone


def test_cells_are_means_over_the_steps_of_a_function(model, told, tested):
    readings, steps = told
    before = scores(model, readings, steps)
    with edited(model, HeadEdit((planted.COPY,), how="scale", factor=1e-4)):
        published = scores(model, readings, steps)
    mean = mean_outputs(model, readings)[planted.COPY[0] - 1][planted.COPY[1]]
    with edited(model, HeadEdit((planted.COPY,), how="mean", vectors=[mean])):
        after = scores(model, readings, steps)
    of = np.array([one.function for one in steps.steps])
    for name in TOP:
        for way, scored in (("change", after), ("published", published)):
            expected = (scored - before).values[of == name].mean(0)
            found = tested[way].sel(masked=COPYING, function=name)
            np.testing.assert_allclose(found, expected, atol=1e-6)
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
        causal_test(model, *told, TOP, masking=TEST, folder=folder, progress=stop)
    passes = 1 + 2 * 2 + 2 * DRAWS + 3 * 10  # doses: 1 of one function, 1 and 2 of the other
    assert readings[0] == (0, passes)
    again = []
    found = causal_test(
        model, *told, TOP, masking=TEST, folder=folder, progress=lambda *told: again.append(told)
    )
    assert 0 < again[0][0] < passes and again[-1] == (passes, passes)
    assert found.identical(tested)
    other = {**TOP, COPYING: [planted.FIRST]}  # in the same folder, and not mixed up with it
    beside = causal_test(model, *told, other, masking=TEST, folder=folder)
    assert beside.identical(causal_test(model, *told, other, masking=TEST))
    with pytest.raises(LayergramError, match="another run"):
        causal_test(model, told[0][1:], told[1], TOP, masking=TEST, folder=folder)


def test_random_heads_are_of_the_same_layers_and_about_as_loud():
    generator = np.random.default_rng(0)
    norms = {(layer, head): generator.gamma(1) for layer in range(1, 13) for head in range(12)}
    quiet = sorted(norms, key=norms.get)[:30]
    loud = sorted(norms, key=norms.get)[-30:]
    for own in (quiet, loud, generator.permutation(list(norms))[:30].tolist()):
        own = [tuple(head) for head in own]
        found = random_heads(own, norms, draws=20, seed=[0, 1])
        assert found == random_heads(own, norms, draws=20, seed=[0, 1])
        assert found != random_heads(own, norms, draws=20, seed=[0, 2])
        assert len({tuple(heads) for heads in found}) == 20
        for heads in found:
            assert len(set(heads)) == 30
            assert sorted(layer for layer, _ in heads) == sorted(layer for layer, _ in own)
        plain = generator.permutation
        wanted = sum(norms[head] for head in own)
        any_ = []  # sets of the same layers whatever their norm
        for _ in range(200):
            drawn = []
            for layer in {layer for layer, _ in own}:
                count = sum(at == layer for at, _ in own)
                drawn += [norms[layer, head] for head in plain(12)[:count]]
            any_.append(abs(sum(drawn) - wanted))
        off = [abs(sum(norms[head] for head in heads) - wanted) for heads in found]
        assert np.mean(off) < np.mean(any_)


def test_norms_are_those_of_what_a_head_writes(model, told):
    readings = told[0][:3]
    _, norms = outputs_and_norms(model, readings)
    written, count = 0.0, 0
    weight = model.parts.projections[1].weight  # a Conv1D: [in, out]
    with torch.no_grad(), capture_heads(model.parts) as heads:
        for reading in readings:
            model.network(input_ids=torch.tensor([reading.ids]))
            own = heads[1][0][:, 3].double() @ weight.double()[3 * planted.D_HEAD :]
            written, count = written + own.norm(dim=-1).sum(), count + len(reading.ids)
    assert float(norms[1][3]) == pytest.approx(float(written / count), rel=1e-5)


@pytest.mark.parametrize("how", ["zero", "scale"])
def test_heads_are_masked_by_zero_or_a_factor_too(model, told, how, tested):
    masking = Masking(how=how, draws=2, doses=())
    found = causal_test(model, *told, TOP, masking=masking)
    change = found["change"].sel(score="log_likelihood", masked=COPYING, function=COPYING)
    published = tested["published"].sel(score="log_likelihood", masked=COPYING, function=COPYING)
    assert float(change) == pytest.approx(float(published), abs=1e-3)
    assert found.sizes["dose"] == 0


def test_the_models_own_answers_get_worse_where_it_is_edited_as_it_writes(model, told):
    masking = Masking(how="scale", scoring="generated", positions="last", draws=2, doses=())
    found = causal_test(model, *told, {COPYING: TOP[COPYING]}, masking=masking)
    own = found.sel(masked=COPYING, score="rouge1")
    assert own["change"].sel(function=COPYING) < -0.5 * own["unmasked"].sel(function=COPYING)
    assert own["change"].sel(function=REPEATING) == 0


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
    """Groups of three alike steps."""
    random = np.random.default_rng(0)
    inside = []
    for seed in range(150):
        of_group = random.normal(size=30)
        noise = random.normal(scale=0.3, size=90)
        bootstrap = Bootstrap(np.repeat(np.arange(30), 3).tolist(), resamples=400, seed=seed)
        values = np.repeat(of_group, 3) + noise
        mean, low, high = bootstrap.interval(values)
        assert mean == pytest.approx(values.mean())
        inside.append(low <= 0 <= high)
    assert 0.88 <= np.mean(inside) <= 0.99


def test_the_matrix_is_a_map_that_can_be_drawn_and_described(tested, tmp_path):
    matrix = causal_matrix(tested)
    assert matrix.dims == ("masked", "function") and matrix.attrs["null_value"] == 0
    assert matrix.attrs["units"] == "nat per token"
    panel = plan(matrix).panels[0]
    assert (panel.y.label, panel.x.label) == ("Top heads masked", "Steps scored")
    assert plan(matrix).scales[0].kind == "diverging"
    outlined = plan(matrix, style=Style(mark=("diagonal",)))
    assert [(one.rows, one.columns) for one in outlined.panels[0].regions] == [
        ((0, 0), (0, 0)),
        ((1, 1), (1, 1)),
    ]
    assert [entry.text for entry in outlined.legend] == ["masked function = scored function"]
    assert "| Masked function / scored function | Retrieval | Inference |" in describe(matrix)
    assert all(holds(matrix, fact) for fact in facts(matrix))
    again = maps.read(maps.write(matrix, tmp_path / "m.nc"))
    np.testing.assert_array_equal(again["low"], matrix["low"])
    table = maps.read(maps.write(matrix, tmp_path / "m.csv"))
    assert table.dims == matrix.dims and table["masked"].values.tolist() == list(TOP)
    assert causal_matrix(tested, score="exact").attrs["valid_min"] == -2
    dose = dose_map(tested)
    assert dose.dims == ("function", "dose") and dose["dose"].values.tolist() == [1, 2]
    assert np.isnan(dose.sel(function=COPYING, dose=2))
    assert plan(dose).panels and "number of heads" in describe(dose).lower()
    with pytest.raises(LayergramError, match="did you mean 'exact'"):
        causal_matrix(tested, score="exakt")


def test_the_result_says_what_was_masked(tested):
    assert json.loads(tested.attrs["top"])[COPYING] == [list(planted.COPY)]
    assert len(json.loads(tested.attrs["random_heads"])[REPEATING]) == DRAWS
    assert math.isclose(json.loads(tested.attrs["options"])["factor"], 1e-4)


@pytest.mark.parametrize(
    ("top", "masking", "says"),
    [
        ({"Recall": [(1, 0)]}, {}, "no function with steps to test on"),
        ({COPYING: [(9, 0)]}, {}, "layers 1 to 3"),
        ({COPYING: [(1, 9)]}, {}, "heads 0 to 3"),
        ({COPYING: []}, {}, "no head"),
        ({COPYING: [(layer, h) for layer in (1, 2) for h in range(4)]}, {}, "without other heads"),
        ({COPYING: [(1, 0)]}, {"doses": (0,)}, "1 or more each"),
        ({COPYING: [(1, 0)]}, {"draws": 1}, "2 or more"),
        ({COPYING: [(1, 0)]}, {"how": "add"}, "no way to mask a head"),
        ({COPYING: [(1, 0)]}, {"positions": "last"}, "score generated answers"),
    ],
)
def test_a_test_that_cannot_be_made_is_refused(model, told, top, masking, says):
    with pytest.raises(LayergramError, match=says):
        causal_test(model, *told, top, masking=Masking(**masking))
    assert not any(m._forward_pre_hooks for m in model.network.modules())


def test_every_head_can_be_edited(model):
    assert len(editable_heads(model.parts)) == 12
