"""Every kind of fact: found in its example, true by its own checker, false once it is changed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gallery_facts import CONTROLS, EXAMPLES, examples
from layergram import maps, words
from layergram.words.names import Names
from layergram.words.phrases import sentence


def found(kind):
    make = EXAMPLES[kind]
    array = make()
    told = words.facts(array, controls=CONTROLS.get(make, ()))
    return array, [fact for fact in told if fact.kind == kind]


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(words.registry())


@pytest.mark.parametrize("kind", sorted(words.registry()))
def test_kind_is_found_in_its_example_and_holds(kind):
    array, facts = found(kind)
    assert facts
    assert all(fact.kind == kind and words.holds(array, fact) for fact in facts)
    assert all(0 <= fact.strength <= 1 for fact in facts)


@pytest.mark.parametrize("kind", sorted(words.registry()))
def test_changed_number_fails_its_checker(kind):
    array, facts = found(kind)
    reach = float(array.max() - array.min())
    for fact in facts:
        for name, value in fact.numbers.items():
            if "control" in name:  # a map does not know what it was compared with
                continue
            changed = dict(fact.numbers) | {name: value + 0.03 * max(reach, abs(value))}
            assert not words.holds(array, replace(fact, numbers=changed)), name


def shifted(labels, order):
    """Labels moved on by one along their axis; lists of lists likewise."""
    if labels and isinstance(labels[0], list):
        return [shifted(part, order) for part in labels]
    return [order[(order.index(label) + 1) % len(order)] for label in labels]


@pytest.mark.parametrize("kind", sorted(words.registry()))
def test_changed_place_fails_its_checker(kind):
    array, facts = found(kind)
    for fact in facts:
        for dim in (d for d in map(str, array.dims) if d in fact.coordinates):
            order = array[dim].values.tolist()
            moved = dict(fact.coordinates) | {dim: shifted(fact.coordinates[dim], order)}
            assert not words.holds(array, replace(fact, coordinates=moved)), (dim, fact)


def test_a_checker_that_raises_is_no_missing_sentence(monkeypatch):
    def broken(array, fact):
        raise ValueError("a fault of the checker")

    level = words.registry()["level"]
    monkeypatch.setitem(words.registry(), "level", replace(level, holds=broken))
    with pytest.raises(ValueError, match="a fault of the checker"):
        words.describe(EXAMPLES["level"]())


def test_facts_that_are_known_are_not_computed_again(monkeypatch):
    array = EXAMPLES["peaks"]()
    text, told, known = words.describe(array), words.findings(array), words.facts(array)
    monkeypatch.setattr(words.page, "facts", None)
    monkeypatch.setattr(words.forms, "facts", None)
    assert words.describe(array, known=known) == text
    assert words.findings(array, known=known) == told


def test_a_peak_in_the_only_row_of_heads_is_told():
    values = [[0.1, 0.12, 0.09, 0.11, 0.4, 0.1, 0.13, 0.1, 0.11]]
    array = maps.make(values, ("head", "token"), measure="weight")
    assert "A peak at head 0: position 4 with 0.40." in words.describe(array)


def test_a_fact_of_another_map_does_not_hold():
    array, facts = found("bands")
    other = array.copy(data=array.values[::-1].copy())
    assert not any(words.holds(other, fact) for fact in facts)


def test_examples_are_told_for_the_gallery():
    shown = examples()
    assert len(shown) == len(words.registry())
    for example in shown:
        assert example.title.endswith(".") and example.words.endswith(".") and example.map.size


def test_all_but_the_smaller_counts_are_told():
    for make in set(EXAMPLES.values()):
        array = make()
        told = words.facts(array, controls=CONTROLS.get(make, ()))
        text, names = words.describe(array, known=told), Names(array)
        assert told.null.removeprefix("Null: ") in text
        for fact in told:
            if fact.section != "counted" or fact in told.counted():
                assert sentence(fact, names) in text, fact.kind


def test_facts_as_json_are_plain():
    plain = words.facts_json(EXAMPLES["together"]())
    assert json.loads(json.dumps(plain)) == plain
    assert all(entry["sentence"].endswith(".") for entry in plain["numbers"])


def test_findings_come_one_per_kind_first():
    told = words.findings(EXAMPLES["peaks"](), 2)
    assert len(told) == 2
    assert sum(text.startswith("A peak") for text in told) <= 1
    assert np.unique(told).size == 2


def test_heads_that_share_keys_and_values_are_said_to():
    array = EXAMPLES["leaders"]()
    assert "share keys" not in words.describe(array)
    shared = array.assign_coords(kv_group=("head", [0, 0, 0, 1, 1, 1]))
    line = "6 heads, 0 to 5. Every 3 heads in a row, from head 0 on, share keys and values."
    assert line in words.describe(shared)


def test_tokens_without_values_make_no_sink_of_the_first():
    values = np.full((2, 4), np.nan)
    values[:, 0] = 0.0
    array = maps.make(values, ("layer", "token"), measure="attention_received")
    assert "dominance" not in {fact.kind for fact in words.facts(array)}


def test_of_two_heads_no_three_lead():
    assert "leaders" not in {fact.kind for fact in words.facts(EXAMPLES["leaders"]()[:1, :2])}


def test_the_leading_heads_are_not_led_by_a_missing_one():
    array = EXAMPLES["leaders"]()
    array[2, 4] = np.nan
    told = words.describe(array)
    assert "The highest of 47 heads are layer 5 head 1 with 0.72 (interval 0.64 to 0.80)" in told
