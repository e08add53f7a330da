"""The sweep finds the heads that were planted, and steering pushes where it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import planted
from layergram import maps
from layergram.datasets.step_sequences import AnswerSpan, StepSequence
from layergram.datasets.steps import Step, StepSet
from layergram.errors import LayergramError
from layergram.figures import plan
from layergram.interventions.masking import Masking
from layergram.interventions.mean_outputs import mean_outputs
from layergram.interventions.steering import compare_edits, random_steering, steering_edit
from layergram.interventions.sweep import measure_metric, score_metric, sweep_heads
from layergram.models.edits import HeadEdit, edited
from layergram.models.hooks import capture_heads
from layergram.words import describe

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model():
    return planted.model()


def told(sequences):
    """Readings and steps of sequences, each with the positions of its answers."""
    steps, readings = [], []
    for at, (ids, places) in enumerate(sequences):
        spans = []
        for place in places:
            spans.append(AnswerSpan(len(steps), place, place, (place,)))
            answer = f"w{ids[place]}"
            steps.append(Step(str(len(steps)), "", "next", answer, "Retrieval", str(at), ""))
        readings.append(StepSequence(tuple(ids), tuple(spans)))
    return readings, StepSet("planted", tuple(steps))


COPIED = [(planted.there_and_back(seed), (9, 15, 21)) for seed in range(10)]
REPEATED = [(planted.repeated(seed, half=14), range(20, 27)) for seed in range(8)]


@pytest.mark.parametrize(
    ("sequences", "needed"),
    [(COPIED, {planted.COPY}), (REPEATED, {planted.MATCHED, planted.INDUCTION})],
    ids=["copying", "induction"],
)
def test_the_sweep_finds_exactly_the_planted_heads(model, sequences, needed):
    found = sweep_heads(model, score_metric(*told(sequences)))
    assert found.dims == ("layer", "head") and found.shape == (3, 4)
    cells = {
        (int(layer), int(head)): float(found.sel(layer=layer, head=head))
        for layer in found["layer"]
        for head in found["head"]
    }
    worst = sorted(cells, key=lambda head: cells[head])[: len(needed)]
    assert set(worst) == needed
    hurt = {head for head, change in cells.items() if change < 0.25 * min(cells.values())}
    assert hurt == needed
    for layer, head in needed:
        assert float(found["high"].sel(layer=layer, head=head)) < 0
    assert ((found["low"] <= found) & (found <= found["high"])).all()


def test_a_cell_is_the_mean_change_under_that_edit(model):
    metric = score_metric(*told(COPIED), score="exact")
    found = sweep_heads(model, metric, heads=[planted.COPY, planted.FIRST])
    before = metric.read(model)
    with edited(model, HeadEdit((planted.COPY,))):
        after = metric.read(model)
    assert float(found.sel(layer=2, head=3)) == pytest.approx((after - before).mean())
    assert np.isfinite(found.values).sum() == 2 and found.attrs["missing"] == "not taken out"


def test_any_measure_can_be_swept(model):
    texts = [" ".join(f"w{i}" for i in planted.repeated(seed)) for seed in range(4)]
    found = sweep_heads(model, measure_metric(texts, "residual_norm"))
    lost = found.values.copy()
    assert found.attrs["units"] == "1" and np.isfinite(lost).all()
    loud = {planted.MATCHED, planted.INDUCTION, planted.COPY, planted.FIRST}
    loudest = np.dstack(np.unravel_index(np.argsort(lost.ravel())[:3], lost.shape))[0]
    assert {(int(layer) + 1, int(head)) for layer, head in loudest} <= loud


def test_a_killed_sweep_goes_on_and_ends_the_same(model, folder):
    metric = score_metric(*told(COPIED[:4]))

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_heads(model, metric, folder=folder, progress=stop)
    calls = []
    again = sweep_heads(model, metric, folder=folder, progress=lambda *told: calls.append(told))
    assert calls[0] == (5, 13) and calls[-1] == (13, 13)
    np.testing.assert_array_equal(again, sweep_heads(model, metric))
    with pytest.raises(LayergramError, match="another run"):
        sweep_heads(model, metric, masking=Masking(how="scale", factor=0.5), folder=folder)


def test_the_map_can_be_drawn_and_described(model, tmp_path):
    found = sweep_heads(model, score_metric(*told(COPIED)))
    assert plan(found).scales[0].kind == "diverging"
    text = describe(found)
    assert "layer 2, head 3" in text and "without the head" in text
    again = maps.read(maps.write(found, tmp_path / "sweep.nc"))
    np.testing.assert_array_equal(again["high"], found["high"])


def test_heads_are_swept_at_their_means_too(model):
    readings, steps = told(COPIED)
    masking = Masking(how="mean")
    means = mean_outputs(model, readings)
    found = sweep_heads(model, score_metric(readings, steps), masking=masking, means=means)
    assert int(found.values.argmin()) == 7  # layer 2, head 3
    with pytest.raises(LayergramError, match="no means"):
        sweep_heads(model, score_metric(readings, steps), masking=masking)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda m: sweep_heads(m, score_metric(*told(COPIED)), heads=[(4, 0)]), "layers 1 to 3"),
        (lambda m: score_metric(*told(COPIED), score="likelihood"), "did you mean"),
        (lambda m: measure_metric(["w1 w2", "w3 w4"], "divergense"), "did you mean"),
        (lambda m: measure_metric(["w1 w2"], "divergence"), "2 or more"),
    ],
)
def test_a_sweep_that_cannot_be_made_is_refused(model, ask, says):
    with pytest.raises(LayergramError, match=says):
        ask(model)


def outputs_where(model, sequences):
    """Outputs of all heads [example, layer, head, feature] where the answers are predicted."""
    rows = []
    for ids, places in sequences:
        with torch.no_grad(), capture_heads(model.parts) as heads:
            model.network(input_ids=torch.tensor([ids]))
            rows += [torch.stack([h[0, at - 1] for h in heads]).numpy() for at in places]
    return xr.DataArray(
        np.array(rows),
        dims=("example", "layer", "head", "feature"),
        coords={"layer": [1, 2, 3], "head": range(4)},
    )


def asked(ids):
    """A sequence whose answer, w5, is predicted where the copying head reads the last of ids."""
    return (planted.BOS, *ids, 1, 5), (len(ids) + 2,)


def test_the_steering_edit_is_what_its_definition_says(model):
    random = np.random.default_rng(0)
    right = np.arange(60) % 3 == 0
    values = random.normal(size=(60, 3, 4, planted.D_HEAD)).astype(np.float32)
    values[right, 1, 2] += 4 * np.eye(planted.D_HEAD)[5]
    outputs = xr.DataArray(
        values,
        dims=("example", "layer", "head", "feature"),
        coords={"layer": [1, 2, 3], "head": range(4)},
    )
    (vector,) = steering_edit(model, outputs, right, [(2, 2)], alpha=3).vectors
    apart = values[right, 1, 2].mean(0) - values[~right, 1, 2].mean(0)
    direction = apart / np.linalg.norm(apart)
    expected = 3 * (values[:, 1, 2] @ direction).std() * direction
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)
    assert direction[5] > 0.8
    other = random_steering(steering_edit(model, outputs, right, [(2, 2)]), seed=1)
    np.testing.assert_allclose(
        np.linalg.norm(other.vectors[0]), 5 / 3 * np.linalg.norm(vector), rtol=1e-4
    )


def test_steering_moves_the_model_to_what_the_right_answers_have(model):
    """Right: the copying head hands on w5. Steered so, the model says w5 where it did not."""
    random = np.random.default_rng(0)
    rest = [token for token in range(2, planted.TOKENS) if token != 5]
    contexts = [random.permutation(rest)[:6].tolist() for _ in range(40)]
    right = np.arange(40) % 2 == 0
    sequences = [
        asked([*ids[:5], 5 if hit else ids[5]]) for ids, hit in zip(contexts, right, strict=True)
    ]
    outputs = outputs_where(model, sequences)
    edit = steering_edit(model, outputs, right, [planted.COPY])
    fresh = [asked(random.permutation(rest)[:6].tolist()) for _ in range(12)]
    readings, steps = told(fresh)
    found = compare_edits(
        model,
        readings,
        steps,
        {"steered": edit, "random": random_steering(edit, seed=0)},
    )
    steered = found.sel(score="log_likelihood", edit="steered")
    assert steered["change_low"] > 5
    assert steered["change"] > 2 * found["change"].sel(score="log_likelihood", edit="random")
    assert found["change"].sel(score="exact").values.tolist() == [1, 0]


@pytest.mark.parametrize("right", [np.ones(4, bool), np.zeros(4, bool), np.ones(3, bool)])
def test_steering_needs_right_and_wrong_answers(model, right):
    outputs = outputs_where(model, [COPIED[0], (COPIED[1][0], (9,))])
    with pytest.raises(LayergramError, match="right and"):
        steering_edit(model, outputs, right, [(1, 0)])
