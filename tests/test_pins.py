"""The rules of ``benchmarks/pins.py``: rounding passes, a change does not."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from pin_rules import Part, compare_parts, table

RANDOM = np.random.default_rng(0)
MAP, DEPTH = "m/text/mean/divergence", "m/text/mean/settling_depth"
RANK = "m/text/mean/lens_rank"


def maps_part():
    values = RANDOM.random((4, 6))
    values[:, 0] = np.nan
    values[1, 3] = 0.5 + 4e-6  # next to the threshold
    ranks = np.full((4, 6), 7.0)
    arrays = {MAP: values, DEPTH: np.full(6, 2.0), RANK: ranks}
    arrays |= {f"{RANK}_low": ranks.copy(), f"{RANK}_high": ranks.copy()}
    arrays[f"{RANK}_high"][2, 3] = 8  # a tie of two tokens
    facts = {
        "axes": {key: {"layer": [1, 2, 3, 4], "token": None} for key in arrays},
        "tokens": {"m/text/mean": {"token_id": [1, 2, 3, 4, 5, 6]}},
        "refused": {"m/text": {"attention_from": "a reason in words"}},
        "weights": {"m": "digest"},
        "g": {"m/text/mean": 0.5},
    }
    return Part(arrays, facts)


def samples_part():
    ids = {f"q{q}/{sample}": [q, sample] for q in range(3) for sample in range(3)}
    return Part({}, {"axes": {}, "ids": ids})


def roles_part():
    answers = [
        {"id": f"q{at}", "ids": [at], "right": at % 2 == 0, "exact_tokens": [3, 4]}
        for at in range(8)
    ]
    arrays = {
        "features": RANDOM.normal(size=(8, 3, 2, 5)),
        "scores": RANDOM.normal(size=(8, 2)),
        "auroc": RANDOM.random((3, 2)),
        "auroc/low": RANDOM.random((3, 2)),
    }
    arrays["features"][..., 2] *= 1000  # a massive activation
    facts = {"axes": {"auroc": {}}, "answers": answers, "baselines": {"letters": 0.7}}
    return Part(arrays, facts)


def heads_part():
    maps = {key: RANDOM.random((2, 5, 9)) for key in ("importance", "contribution", "head_auroc")}
    arrays = {"head_outputs": RANDOM.normal(size=(6, 5, 9, 4)), **maps}
    arrays["attention_previous"] = RANDOM.random((5, 9))
    facts = {
        "axes": {key: {"function": ["a", "b"]} for key in maps},
        "steps": [{"id": str(at), "use": "map", "said": "a"} for at in range(6)],
        "top": {"a": [[1, 2], [3, 4]], "b": [[2, 2]]},
        "masking": {"exact/a/b": [-0.5, None, None], "exact/b/b": [-0.5, -0.1, -0.4]},
        "accuracy": {"joint": 0.7},
    }
    return Part(arrays, facts)


PARTS = {"maps": maps_part, "samples": samples_part, "roles": roles_part, "heads": heads_part}


def add(key, place, by):
    def change(part):
        part.arrays[key][place] += by

    return change


def setting(*path, value):
    def change(part):
        at = part.facts
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


def other_order(part):
    part.facts["answers"].reverse()
    for key in ("features", "scores"):
        part.arrays[key] = part.arrays[key][::-1].copy()


def unordered_importance(part):
    part.arrays["importance"][1] = part.arrays["importance"][1, ::-1]


def without(key):
    def change(part):
        del part.arrays[key]

    return change


@pytest.fixture
def verdicts(tmp_path):
    """Compare a part with a changed copy: the verdicts of all lines."""

    def compared(name, change, **options):
        part = PARTS[name]()
        changed = deepcopy(part)
        change(changed)
        part.save(tmp_path / "before" / name)
        changed.save(tmp_path / "after" / name)
        lines = compare_parts(tmp_path / "before", tmp_path / "after", [name], **options)
        assert len(table(lines).splitlines()) == len(lines) + 2
        return [one.verdict for one in lines]

    return compared


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("maps", lambda part: None),
        ("maps", add(MAP, (2, 4), 8e-6)),
        ("maps", add(RANK, (2, 3), 1)),
        ("maps", add(DEPTH, 3, 2)),
        ("maps", setting("refused", "m/text", "attention_from", value="other words")),
        ("maps", without(f"{RANK}_low")),
        ("samples", setting("ids", "q1/2", value=[5])),
        ("roles", add("features", (0, 2, 0, 2), 1e-3)),
        ("roles", add("auroc", (1, 1), 0.004)),
        ("roles", add("auroc/low", (1, 1), 0.1)),
        ("roles", other_order),
        ("heads", add("importance", (1, 3, 3), 1e-6)),
        ("heads", setting("top", "a", value=[[3, 4], [1, 2]])),
        ("heads", setting("steps", 3, "said", value="b")),
    ],
)
def test_rounding_and_draws_pass(verdicts, name, change):
    assert "DIFFERENT" not in verdicts(name, change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("maps", add(MAP, (2, 4), 2e-5)),
        ("maps", add(MAP, (2, 4), np.nan)),
        ("maps", add(RANK, (2, 3), 2)),
        ("maps", add(RANK, (2, 2), 1)),
        ("maps", add(DEPTH, 2, 1)),
        ("maps", setting("tokens", "m/text/mean", "token_id", 2, value=9)),
        ("maps", setting("refused", "m/text", value={})),
        ("maps", without(MAP)),
        ("samples", setting("ids", "q1/0", value=[5])),
        ("roles", add("features", (0, 0, 0, 0), 1e-3)),
        ("roles", add("scores", (0, 1), 1e-3)),
        ("roles", add("auroc", (1, 1), 0.006)),
        ("roles", setting("answers", 2, "right", value=False)),
        ("roles", setting("baselines", "letters", value=0.8)),
        ("heads", unordered_importance),
        ("heads", add("attention_previous", (1, 1), 1e-4)),
        ("heads", add("head_outputs", (1, 1, 1, 1), 1e-3)),
        ("heads", setting("masking", "exact/b/b", value=[-0.5, -0.1, -0.3])),
        ("heads", setting("accuracy", "joint", value=0.6)),
    ],
)
def test_a_change_does_not_pass(verdicts, name, change):
    assert "DIFFERENT" in verdicts(name, change)


def test_masking_is_compared_where_the_top_heads_are_the_same(verdicts):
    def change(part):
        part.facts["top"]["b"] = [[4, 4]]
        part.facts["masking"]["exact/b/b"] = [0.0, 0.0, 0.0]

    assert "DIFFERENT" not in verdicts("heads", change)


@pytest.mark.parametrize(("by", "verdict"), [(5e-7, "ok"), (2e-6, "DIFFERENT")])
def test_probes_of_pinned_features_give_the_pinned_map(verdicts, by, verdict):
    def probe_again(name, before):
        return {"auroc": before.arrays["auroc"] + by}

    assert verdicts("roles", lambda part: None, probe_again=probe_again)[-1] == verdict


def test_a_part_that_is_not_there_differs(tmp_path):
    PARTS["samples"]().save(tmp_path / "before/samples")
    lines = compare_parts(tmp_path / "before", tmp_path / "after", ["samples"])
    assert [one.verdict for one in lines] == ["DIFFERENT"]
