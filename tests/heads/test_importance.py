"""Importance: planted heads come first, gradients are right, controls and splits are honest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from layergram.datasets.steps import FUNCTIONS, Step, StepSet
from layergram.datasets.steps import steps as load_steps
from layergram.errors import LayergramError
from layergram.experiments.heads.all_heads_probe import JointProbe, Training, _explain, joint_probes
from layergram.experiments.heads.controls import accuracies
from layergram.experiments.heads.importance import (
    importance_maps,
    importance_p_values,
    labelled,
    shuffled_labels,
    stability,
)
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.single_heads import head_probes
from layergram.experiments.heads.split import split_steps
from layergram.experiments.heads.top_heads import elbow, top_heads, why_no_top_heads
from layergram.features.head_outputs import with_layer_mean
from layergram.probes import Evaluation
from layergram.statistics.folds import grouped_folds

torch.set_num_threads(1)

NAMES = FUNCTIONS[:3]
PLANTED = {NAMES[0]: (1, 2), NAMES[1]: (3, 0), NAMES[2]: (4, 1)}  # layer from 1, head
LAYERS, HEADS, WIDTH = 4, 3, 6
FAST = Training(rate=1e-3)  # the published rate takes many passes over few steps


@pytest.fixture(scope="module")
def planted():
    """Steps whose function one head each can tell, and no other head."""
    generator = np.random.default_rng(0)
    functions = [NAMES[at % 3] for at in range(180)]
    groups = [f"question {at // 2}" for at in range(180)]
    values = generator.normal(size=(180, LAYERS, HEADS, WIDTH)).astype(np.float32)
    for at, name in enumerate(functions):
        layer, head = PLANTED[name]
        values[at, layer - 1, head, 1] += 5
    features = xr.DataArray(
        values,
        dims=("example", "layer", "head", "feature"),
        coords={"layer": range(1, LAYERS + 1), "head": range(HEADS)},
    )
    return features, functions, groups


@pytest.fixture(scope="module")
def explained(planted):
    features, functions, groups = planted
    known = labelled(functions, groups)
    folds = grouped_folds(known.classes, known.groups, folds=4, seed=0)
    return known, joint_probes(features, known.classes, folds, training=FAST)


def test_importance_ranks_the_planted_heads_first(planted, explained):
    known, joint = explained
    importance, contribution = importance_maps(joint, known, planted[0])
    for name, head in PLANTED.items():
        assert top_heads(importance.sel(function=name), top=1) == [head]
        cell = {"function": name, "layer": head[0], "head": head[1]}
        assert float(contribution.sel(cell)) > 0
        assert float(importance["low"].sel(cell)) > 0
    assert (importance["low"] <= importance).all()
    assert (importance <= importance["high"]).all()
    assert (joint.predicted == known.classes).mean() > 0.8


def test_a_probe_of_the_planted_head_alone_sees_its_function(planted):
    features, functions, groups = planted
    found = head_probes(features, functions, groups=groups, evaluation=Evaluation(permutations=40))
    for name, (layer, head) in PLANTED.items():
        own = found["auroc"].sel(function=name)
        assert float(own.sel(layer=layer, head=head)) > 0.95
        assert own.values.argmax() == (layer - 1) * HEADS + head
        assert float(found["p_map"].sel(function=name)) == pytest.approx(1 / 41)
        assert float(found["p_map_shuffled"].sel(function=name)) > 0.05


def test_gradient_times_activation_is_that_of_finite_differences():
    torch.manual_seed(0)
    probe = JointProbe(heads=3, width=4, classes=3).double().eval()
    x, y = torch.randn(5, 3, 4).double(), torch.tensor([0, 2, 1, 1, 0])
    trained = torch.randn(9, 3, 4).double()
    _, found = _explain(probe, x, y, trained)
    with torch.no_grad():
        e, usual = probe.shared(x), probe.shared(trained).mean(0)
        for head in range(3):
            up, down = e.clone(), e.clone()
            step = 1e-6 * (e - usual)[:, head]
            up[:, head] += step
            down[:, head] -= step
            change = (probe.decide(up) - probe.decide(down)).gather(1, y[:, None])[:, 0] / 2e-6
            assert torch.allclose(found[:, head], change / 64, atol=1e-7)


def test_no_probe_is_trained_on_the_group_that_it_is_tested_on(planted):
    """Features that only name the main question are worth nothing on other questions."""
    _, _, groups = planted
    number = np.array([int(group.split()[1]) for group in groups])
    generator = np.random.default_rng(1)
    classes = generator.integers(0, 3, 90)[number].astype(np.intp)  # both steps the same
    features = generator.normal(size=(90, 1, 2, 40)).astype(np.float32)[number]
    folds = grouped_folds(classes, number, folds=4, seed=0)
    honest = joint_probes(features, classes, folds, training=FAST)
    apart = np.array([0, 2, 1, 3])[np.arange(180) % 4]  # steps of a question in unlike folds
    leaky = joint_probes(features, classes, apart, training=FAST)
    free = joint_probes(features, classes, apart, groups=number, training=FAST)
    assert (leaky.predicted == classes).mean() > 0.8
    assert (honest.predicted == classes).mean() < 0.55
    assert (free.predicted == classes).mean() < 0.55


def test_training_is_seeded_and_leaves_the_random_state(planted, explained):
    known, joint = explained
    before = torch.get_rng_state()
    again = joint_probes(planted[0], known.classes, joint.folds, training=FAST)
    assert (torch.get_rng_state() == before).all()
    assert np.array_equal(again.contributions, joint.contributions)
    other = joint_probes(
        planted[0], known.classes, joint.folds, training=Training(rate=1e-3, seed=9)
    )
    assert not np.array_equal(other.contributions, joint.contributions)


def test_the_probe_beats_its_controls_and_words_that_say_nothing(planted, explained):
    features, functions, groups = planted
    known, joint = explained
    steps = [
        Step(str(at), "", "say", "so", name, group)
        for at, (name, group) in enumerate(zip(functions, groups, strict=True))
    ]
    table = accuracies(joint, features.values, steps, known, training=FAST)
    for way in ("majority", "shuffled", "words"):
        assert float(table["gain_low"].sel(way=way)) > 0.2
        assert float(table["accuracy"].sel(way=way)) < 0.45
    assert np.isnan(table["accuracy"].sel(way="templates"))


def test_templates_that_give_the_function_away_do_not_help_on_new_ones(planted):
    _, functions, groups = planted
    generator = np.random.default_rng(2)
    templates = [f"{name}-{at // 3 % 10}" for at, name in enumerate(functions)]
    of_template = {name: generator.normal(size=(LAYERS, HEADS, WIDTH)) for name in set(templates)}
    values = np.stack([of_template[name] for name in templates]).astype(np.float32)
    known = labelled(functions, groups)
    folds = grouped_folds(known.classes, known.groups, folds=4, seed=0)
    steps = [
        Step(str(at), "", f"word{template}", "so", name, group, template)
        for at, (name, group, template) in enumerate(zip(functions, groups, templates, strict=True))
    ]
    joint = joint_probes(values, known.classes, folds, training=FAST)
    table = accuracies(joint, values, steps, known, training=FAST)
    assert float(table["accuracy"].sel(way="joint")) > 0.9
    assert float(table["high"].sel(way="templates")) < 0.7
    assert float(table["gain_low"].sel(way="templates")) > 0.2


def test_a_head_beside_an_informed_one_is_not_taken_for_it(planted):
    """A probe of one head sees that head alone, not what the others of its layer know."""
    features, functions, groups = planted
    found = head_probes(features, functions, groups=groups, evaluation=Evaluation(permutations=0))
    for name, (layer, head) in PLANTED.items():
        others = found["auroc"].sel(function=name, layer=layer).drop_sel(head=head)
        assert (others < 0.7).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.35, 0.5])
def test_the_share_that_is_asked_for_is_put_aside_in_whole_main_questions(share):
    steps = load_steps("functions")
    tested = split_steps(steps, HeadMapOptions(test_share=share, split="questions")).tested
    assert tested.mean() == pytest.approx(share, abs=0.03)
    groups = np.array([step.group for step in steps.steps])
    assert not set(groups[tested]) & set(groups[~tested])
    assert not split_steps(steps, HeadMapOptions(masking=None)).tested.any()


def test_templates_are_held_out_of_folds_and_tests_where_there_are_enough():
    steps = load_steps("functions")
    split = split_steps(steps, HeadMapOptions())
    assert split.by == "templates"
    template = np.array([step.template for step in steps.steps])
    assert not set(template[split.tested]) & set(template[~split.tested])
    mapped = template[~split.tested]
    for fold in range(5):
        assert not set(mapped[split.folds == fold]) & set(mapped[split.folds != fold])
    # half of seven templates leave fewer than the folds need; so does a template for one step only
    assert split_steps(steps, HeadMapOptions(test_share=0.5)).by == "questions"
    loose = [replace(one, template="") if at == 0 else one for at, one in enumerate(steps.steps)]
    assert split_steps(StepSet("loose", tuple(loose)), HeadMapOptions()).by == "questions"


def test_too_few_main_questions_are_refused_before_any_work():
    def steps(groups):
        return StepSet(
            "mine",
            tuple(
                Step(f"{name} {at}", "", "what?", "that", name, f"{name} {at % groups}")
                for name in NAMES[:2]
                for at in range(40)
            ),
        )

    with pytest.raises(LayergramError, match="main questions"):
        split_steps(steps(3), HeadMapOptions())
    with pytest.raises(LayergramError, match="folds"):
        split_steps(steps(4), HeadMapOptions(masking=None))
    assert split_steps(steps(20), HeadMapOptions()).tested.any()


def test_stability_is_1_for_equal_folds_and_about_0_for_noise(planted, explained):
    known, joint = explained
    noise = np.random.default_rng(0).normal(size=joint.contributions.shape)
    assert max(abs(v) for v in stability(_with(joint, noise), known).values()) < 0.5
    same = np.broadcast_to(noise[:1], noise.shape)
    assert stability(_with(joint, same), known) == pytest.approx(dict.fromkeys(NAMES, 1.0))


def _with(joint, contributions):
    return replace(joint, contributions=contributions)


def test_planted_heads_are_above_shuffled_labels_and_no_other_head_is(planted, explained):
    known, joint = explained
    p = importance_p_values(joint, planted[0], known, training=FAST)
    assert p.shape == (3, LAYERS, HEADS)
    for at, (layer, head) in enumerate(PLANTED.values()):
        assert p[at, layer - 1, head] == pytest.approx(1 / 21)
    rest = np.ones((LAYERS, HEADS), dtype=bool)
    for layer, head in PLANTED.values():
        rest[layer - 1, head] = False
    assert (p[:, rest] > 0.05).all()


@pytest.mark.slow
def test_nothing_is_important_without_information(planted):
    """The chance of any head is 1 in 21; 40 sets, three standard errors added."""
    generator = np.random.default_rng(3)
    classes = generator.integers(3, size=90)
    known = labelled([NAMES[c] for c in classes], [f"{at // 2:02d}" for at in range(90)])
    folds = grouped_folds(known.classes, known.groups, folds=3, seed=0)
    training = Training(rate=1e-3, epochs=5)
    alarms = []
    for seed in range(40):
        values = generator.normal(size=(90, 2, 2, 4)).astype(np.float32)
        values[:, 0, 0] = 3  # a head that always says the same
        features = xr.DataArray(values, dims=("example", "layer", "head", "feature"))
        joint = joint_probes(features, known.classes, folds, training=replace(training, seed=seed))
        assert np.allclose(joint.contributions[:, 0, 0], 0, atol=1e-7)
        p = importance_p_values(joint, features, known, training=replace(training, seed=seed))
        alarms.append((p <= 0.05).any())
    assert np.mean(alarms) <= 1 / 21 + 3 * np.sqrt(1 / 21 * 20 / 21 / 40)


def test_shuffled_labels_go_from_main_question_to_main_question(explained):
    known, _ = explained
    found = shuffled_labels(known, count=5, seed=0)
    pairs = {tuple(pair) for pair in known.classes.reshape(-1, 2)}
    for classes in found:
        assert {tuple(pair) for pair in classes.reshape(-1, 2)} <= pairs
        assert (np.bincount(classes) == np.bincount(known.classes)).all()
        assert (classes != known.classes).mean() > 0.3


def test_there_are_no_top_heads_where_importance_says_nothing(planted, explained):
    known, joint = explained
    importance, _ = importance_maps(joint, known, planted[0])
    importance = importance.assign_coords(
        p_value=(importance.dims, np.full(importance.shape, 0.04))
    )
    ways = ["majority", "shuffled", "words", "all_words"]
    clear = xr.Dataset({"gain_low": ("way", [0.1] * 4)}, coords={"way": ways})
    stable = dict.fromkeys(NAMES, 0.5)
    assert why_no_top_heads(importance, stable, clear) == {}
    assert why_no_top_heads(importance, {**stable, NAMES[1]: 0.1}, clear) == {
        NAMES[1]: "stability 0.10, below 0.2"
    }
    assert list(why_no_top_heads(importance, {**stable, NAMES[0]: np.nan}, clear)) == [NAMES[0]]
    level = xr.Dataset({"gain_low": ("way", [0.1, 0.1, 0.1, -0.1])}, coords={"way": ways})
    why = set(why_no_top_heads(importance, stable, level).values())
    assert why == {"the probe is not clear of the words of the passage and the step"}
    importance["p_value"].loc[{"function": NAMES[2]}] = 0.2
    assert list(why_no_top_heads(importance, stable, clear)) == [NAMES[2]]


def test_heads_that_do_not_exist_are_nan_and_never_chosen(planted):
    features, functions, groups = planted
    lacking = features.copy()
    lacking[:, 1, 2] = np.nan
    both = with_layer_mean(lacking)
    assert both.shape[-1] == 2 * WIDTH
    assert np.isnan(both[:, 1, 2]).all()
    assert np.isfinite(both[:, 1, :2]).all()
    assert np.allclose(both[:, 1, 0, WIDTH:], lacking[:, 1, :2].mean("head"), atol=1e-6)
    known = labelled(functions, groups)
    folds = grouped_folds(known.classes, known.groups, folds=3, seed=0)
    joint = joint_probes(both, known.classes, folds, training=Training(epochs=2))
    importance, _ = importance_maps(joint, known, both)
    assert np.isnan(importance[:, 1, 2]).all()
    assert (2, 2) not in top_heads(importance[0], top=12)
    assert importance.attrs["missing"]


def test_the_elbow_is_where_the_sorted_curve_bends():
    assert elbow([5.0, 0.1, 4.8, 0.0, 0.2, 5.1, np.nan, 0.1]) == 3
    assert elbow([1.0]) == 1
