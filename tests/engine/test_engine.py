"""The engine: one caller of the network, batches that change nothing, streams side by side."""

from __future__ import annotations

import ast
import importlib.util
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DynamicCache

import zoo
from layergram import load, tracing
from layergram import questions as read_questions
from layergram.engine.lens import LogitLens
from layergram.engine.reducers import QueryColumns, Reduction
from layergram.engine.run import read
from layergram.engine.sampling import Sampling, Stream, generate, seed_of
from layergram.errors import LayergramError
from layergram.measures import MEASURES
from layergram.measures.support import unsupported_by
from layergram.recipe import Run

torch.set_num_threads(1)

LONG = os.environ.get("LAYERGRAM_LONG") == "1"
SOURCE = Path(tracing.__file__).parent
ROOT = SOURCE.parent.parent
# where a model is tried out when it is loaded, besides the engine
CHECKS = ("engine/", "models/load.py", "models/locate.py", "models/locate_attention.py",
          "models/attribution.py", "models/attention_ways.py",
          "models/hooks.py", "models/routers.py", "models/values.py")  # fmt: skip
LENGTHS = (23, 3, 11, 23, 8, 2, 17, 5)
# without the padding and the stopping token, 0 and 1, which mean something else to some types
TEXTS = [
    [2 + (at * 31 + i * 7919) % (zoo.VOCABULARY - 2) for i in range(1, length - 1)]
    + [3, 4][: min(2, length)]
    for at, length in enumerate(LENGTHS)
]
# what rounding does to these tiny models: by themselves they differ as much between chunk sizes
ROUGH = dict.fromkeys(["gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"], 1e-4)
ROUGH["nemotron_h"] = (
    2e-4  # in chunks of one its residual norms differ by 8e-4, its routers by 6e-3
)
EVERY = [name for name, record in MEASURES.items() if not record.source]


def table_rows():
    script = ROOT / "docs" / "make_architectures.py"
    spec = importlib.util.spec_from_file_location("architectures_page", script)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["architectures_page"] = module
    spec.loader.exec_module(module)
    return module.read_page()[1], module


ROWS, PAGE = table_rows()
WORKING = [row.model_type for row in ROWS if row.status != PAGE.NOT]


def test_only_the_engine_and_the_checks_at_load_call_the_network():
    callers = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            ends = called.split(".")[-1]
            if (ends in ("network", "generate") and "." in called) or called == "network":
                callers.append(name)
    assert any(name.startswith("engine/") for name in callers)
    assert [name for name in callers if not name.startswith(CHECKS)] == []


def test_one_function_draws_a_token():
    """Randomness over a vocabulary is in one place."""
    drawing = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "multinomial(p" in text or "exponential_(" in text or "Categorical(" in text:
            drawing.append(str(path.relative_to(SOURCE)))
    assert drawing == ["engine/sampling.py"]


def rank_end(view, slack):
    """The rank of the following token if all that are nearly as likely came before, or after."""
    own = view.log_p.gather(1, view.next_ids.clamp(min=0)[:, None])
    return (view.log_p > own - slack).sum(-1).float() + (slack <= 0)


def values(model, sequences, names, **options):
    """For each sequence the values of every measure, as a batch makes them."""
    asked = {"query": "last", "context": (0, 1)}

    def reducers_of():
        made = {
            name: MEASURES[name].reducer(
                MEASURES[name].reduction(asked, layers=model.layers, heads="mean")
            )
            for name in names
        }
        for name, slack in (("rank_low", -1e-4), ("rank_high", 1e-4)):
            end = Reduction(partial(rank_end, slack=slack), "lens", model.layers)
            made[name] = QueryColumns(end)
        return made

    reducers = [reducers_of() for _ in sequences]
    for _ in read(model, sequences, [list(own.values()) for own in reducers], **options):
        pass
    return [
        {name: reducer.values(len(ids)) for name, reducer in own.items()}
        for own, ids in zip(reducers, sequences, strict=True)
    ]


def assert_same_maps(found, expected, model_type):
    for at, (one, other) in enumerate(zip(found, expected, strict=True)):
        for name in other.keys() - {"rank_low", "rank_high"}:
            a, b = one[name], other[name]
            assert np.array_equal(np.isnan(a), np.isnan(b)), (model_type, at, name)
            record = MEASURES[name]
            span = np.nanmax(np.abs(b), initial=0.2)  # smaller numbers are rounding in float32
            if record.valid_max is not None and record.valid_min is not None:
                span = record.valid_max - record.valid_min
            off = np.nanmax(np.abs(a - b), initial=0.0)
            if name == "lens_rank":  # ranks may differ between tokens that are equally likely
                known = np.isfinite(b)
                assert (a >= other["rank_low"])[known].all(), (model_type, at)
                assert (a <= other["rank_high"])[known].all(), (model_type, at)
                continue
            assert off <= ROUGH.get(model_type, 1e-5) * span, (model_type, at, name, off, span)


def possible(model):
    return [name for name in EVERY if unsupported_by(model, MEASURES[name]) is None]


FEW = ["llama", "gpt2", "gemma3_text", "gpt_oss", "qwen3_next", "mamba", "mixtral", "bloom"]


@pytest.mark.parametrize("model_type", WORKING)
def test_a_batch_of_unequal_texts_gives_the_maps_of_each_text_by_itself(model_type):
    model = zoo.model(model_type)
    names = possible(model)
    for chunk in (64, 7):
        alone = [values(model, [ids], names, chunk=chunk)[0] for ids in TEXTS]
        together = values(model, TEXTS, names, chunk=chunk, batch=8)
        assert_same_maps(together, alone, model_type)


@pytest.mark.parametrize("model_type", [kind for kind in FEW if kind in WORKING])
@pytest.mark.parametrize("chunk", [1, 7, 256])
@pytest.mark.parametrize("batch", [1, 3])
def test_chunk_and_batch_change_speed_only(model_type, chunk, batch):
    model = zoo.model(model_type)
    names = possible(model)
    expected = values(model, TEXTS, names, chunk=64, batch=8)
    assert_same_maps(values(model, TEXTS, names, chunk=chunk, batch=batch), expected, model_type)


def drawn(model, prompts, sampling, batch):
    streams = [Stream(sampling, seed=seed_of(0, str(at), 1)) for at in range(len(prompts))]
    return generate(model, prompts, streams, batch=batch)


def assert_draws_do_not_depend_on_the_batch(model, prompts, sampling, batches=(1, 5)):
    whole = drawn(model, prompts, sampling, 32)
    assert len(set(whole)) > 5
    for batch in batches:
        assert drawn(model, prompts, sampling, batch) == whole
    order = list(np.random.default_rng(0).permutation(len(prompts)))
    streams = [Stream(sampling, seed=seed_of(0, str(at), 1)) for at in order]
    shuffled = generate(model, [prompts[at] for at in order], streams, batch=7)
    assert [shuffled[order.index(at)] for at in range(len(prompts))] == whole
    for at in (0, 4, 9):  # the live loop draws the same
        stream = Stream(sampling, seed=seed_of(0, str(at), 1))
        steps = list(read(model, [prompts[at]], [[]], streams=[stream]))
        ids = [token for step in steps for token in step.ids]
        assert tuple(ids[len(prompts[at]) :]) == whole[at]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text", "mamba"])
@pytest.mark.parametrize("sampling", [
    Sampling(12, temperature=1.0),
    Sampling(12, temperature=0.7, top_p=0.9),
    Sampling(12, temperature=1.3, top_k=5),
    Sampling(12),
])  # fmt: skip
def test_drawn_ids_depend_on_prompt_and_stream_alone(model_type, sampling):
    prompts = [TEXTS[at % len(TEXTS)][: 3 + at % 6] for at in range(33)]
    assert_draws_do_not_depend_on_the_batch(zoo.model(model_type), prompts, sampling)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text", "mamba"])
def test_a_prompt_is_read_once_for_all_its_answers(model_type):
    model, sampling = zoo.model(model_type), Sampling(9, temperature=1.0)
    prompts = [TEXTS[at][:8] for at in (0, 2, 3) for _ in range(4)]
    apart = [drawn_as(model, prompts, at, sampling) for at in range(len(prompts))]
    widths = []
    hook = model.network.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    try:
        together = drawn(model, prompts, sampling, 32)
    finally:
        hook.remove()
    assert together == apart and len(set(together)) > 8
    assert tuple(widths[0]) == (3, 8) and widths[1][0] == 12


def test_a_cache_that_cannot_be_divided_reads_every_prompt(monkeypatch):
    apart = drawn(zoo.model("llama"), TEXTS[:1] * 3, Sampling(9, temperature=1.0), 1)
    monkeypatch.setattr(DynamicCache, "batch_select_indices", lambda self, indices: None)
    model = zoo.model("llama")
    assert model.chunks and not model.drops_rows
    assert drawn(model, TEXTS[:1] * 3, Sampling(9, temperature=1.0), 3) == apart


def drawn_as(model, prompts, at, sampling):
    """One answer by itself, from the stream that it has among the others."""
    return generate(model, [prompts[at]], [Stream(sampling, seed=seed_of(0, str(at), 1))])[0]


def test_drawn_ids_of_the_embedded_model_depend_on_prompt_and_stream_alone(smollm2):
    model = load(smollm2.model, tokenizer=smollm2.tokenizer)
    questions = [question.prompt for question in read_questions("capitals").questions]
    count, length = (32, 32) if LONG else (12, 12)
    prompts = [model.format_prompt(text).ids for text in questions[:count]]
    assert_draws_do_not_depend_on_the_batch(model, prompts, Sampling(length, temperature=1.0))


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5])
    for sampling, expected in (
        (Sampling(1, temperature=2.0), torch.softmax(logits / 2, -1)),
        (Sampling(1, temperature=1.0, top_k=2), torch.softmax(logits[[1, 2]], -1)),
        (Sampling(1, temperature=1.0, top_p=0.7), torch.softmax(logits[[1, 2]], -1)),
    ):
        stream = Stream(sampling, seed=3)
        counts = np.bincount([stream.draw(logits) for _ in range(4000)], minlength=5) / 4000
        full = np.zeros(5)
        full[[1, 2] if len(expected) == 2 else slice(None)] = expected.numpy()
        assert np.abs(counts - full).max() < 0.035, (sampling, counts, full)


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 1e-45), ("temperature", -1.0), ("temperature", float("nan")), ("top_p", 0.0),
     ("top_k", -1), ("max_new_tokens", 0)],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(name, value):
    with pytest.raises(LayergramError, match=name):
        Sampling(**{name: value})


@pytest.mark.parametrize("setting", [
    {"repetition_penalty": 1.8},
    {"no_repeat_ngram_size": 2},
    {"suppress_tokens": list(range(60))},
    {"min_new_tokens": 9},
])  # fmt: skip
def test_generation_settings_of_the_model_are_honoured(setting):
    plain, model = zoo.model("llama"), zoo.model("llama")
    prompts = TEXTS[:4]
    first = drawn(plain, prompts, Sampling(12), 4)
    model.network.generation_config.eos_token_id = first[0][1]
    plain.network.generation_config.eos_token_id = first[0][1]
    for key, value in setting.items():
        setattr(model.network.generation_config, key, value)
    found = drawn(model, prompts, Sampling(12), 4)
    assert found != drawn(plain, prompts, Sampling(12), 4)
    for at in range(4):
        steps = read(model, [prompts[at]], [[]], streams=[Stream(Sampling(12))])
        ids = [token for step in steps for token in step.ids][len(prompts[at]) :]
        assert tuple(ids) == found[at], "the live loop honours them as well"


def assert_same_columns(step, whole):
    for name, array in step.columns.items():
        positions = array["token"].values
        expected = whole[name].isel(token=positions).values
        span = max(1e-3, float(np.nanmax(np.abs(whole[name].values))))
        assert np.array_equal(np.isnan(array.values), np.isnan(expected)), name
        assert np.nanmax(np.abs(array.values - expected), initial=0) <= 1e-5 * span, name


NAMES = ["divergence", "lens_probability", "settling_depth", "attention_received",
         "attention_entropy", "attention_from", "residual_norm"]  # fmt: skip


@pytest.mark.parametrize("model_type", ["llama", "gemma3_text", "gptj"])
def test_a_stream_shows_after_each_token_what_a_trace_of_those_ids_shows(model_type):
    model = zoo.model(model_type)
    run = Run(max_new_tokens=6, temperature=1.0, seed=2)
    seen = ()
    changed = {}
    for step in tracing.stream(model, prompt=zoo.text(TEXTS[2]), measures=NAMES, run=run):
        seen += step.ids
        whole = tracing.trace(model, ids=seen, measures=NAMES)
        assert_same_columns(step, whole)
        assert step.maps["divergence"].sizes["token"] == len(seen)
        changed |= {name: array.sizes["token"] for name, array in step.columns.items()}
    assert len(seen) == len(TEXTS[2]) + 6
    assert changed["divergence"] == 1 and changed["attention_received"] == len(seen)


def test_two_streams_at_the_same_time_do_not_disturb_one_another():
    model = zoo.model("llama")
    make = partial(tracing.stream, model, measures=NAMES)
    runs = [Run(max_new_tokens=8, temperature=1.0, seed=seed) for seed in (1, 2)]
    prompts = [zoo.text(TEXTS[0]), zoo.text(TEXTS[2])]
    alone = [
        tracing.trace(model, prompt=p, measures=NAMES, run=r)
        for p, r in zip(prompts, runs, strict=True)
    ]
    streams = [make(prompt=p, run=r) for p, r in zip(prompts, runs, strict=True)]
    last = [None, None]
    for turn in (0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1):
        step = next(streams[turn], None)
        if step is not None:
            last[turn] = step.maps
    for found, expected in zip(last, alone, strict=True):
        assert found["token_id"].values.tolist() == expected["token_id"].values.tolist()
        for name in NAMES:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_maps_of_a_step_cannot_be_had_after_the_next_one():
    steps = tracing.stream(zoo.model("llama"), ids=TEXTS[0], run=Run(chunk=8))
    first = next(steps)
    next(steps)
    with pytest.raises(LayergramError, match="gone on to step 2"):
        _ = first.maps


def test_a_stored_answer_has_the_maps_of_the_prompt_that_it_answers():
    model = zoo.model("llama")
    run = Run(max_new_tokens=6)
    made = tracing.trace(model, prompt=zoo.text(TEXTS[2]), measures=NAMES, run=run)
    stored = {"ids": made["token_id"].values.tolist(), "prompt_tokens": len(TEXTS[2])}
    again = tracing.trace(model, answer=stored, measures=NAMES)
    assert again["part"].values.tolist() == made["part"].values.tolist()
    for name in NAMES:
        np.testing.assert_allclose(again[name], made[name], rtol=1e-5, atol=1e-5)
    with pytest.raises(LayergramError, match="prompt_tokens"):
        tracing.trace(model, answer={"ids": [1, 2, 3]})


class Taken:
    """Takes one kind of view beside attention and streams."""

    def __init__(self, kind, value):
        self.needs, self.kind, self.value, self.made = (
            (kind, "attention", "residual"),
            kind,
            value,
            [],
        )

    def take(self, view):
        if type(view).__name__ == self.kind.capitalize() + "View":
            self.made.append(self.value(view).clone().flatten())


@pytest.mark.parametrize(
    ("model_type", "kind", "value"),
    [
        ("llama", "heads", lambda view: view.towards),
        ("llama", "values", lambda view: view.value_norms),
        ("mixtral", "router", lambda view: view.shares),
    ],
)
def test_parts_that_no_one_has_asked_for_are_found_before_the_pass(model_type, kind, value):
    known = zoo.model(model_type)
    _ = known.attribution, known.head_writes
    made = []
    for model in (known, replace(known)):  # the second has found nothing yet
        taker = Taken(kind, value)
        list(read(model, [TEXTS[0]], [[taker]]))
        made.append(torch.cat(taker.made))
    assert made[0].isfinite().any()
    assert torch.equal(made[0].nan_to_num(-1), made[1].nan_to_num(-1))


class Doubled(LogitLens):
    """A lens that reads the stream doubled."""

    def transform(self, h, layer):
        return 2 * h


def test_a_lens_is_its_transform_and_the_shared_unembedding():
    model = zoo.model("llama")
    names = ["lens_probability"]
    readout = model.parts.readout
    whole = values(model, [TEXTS[0]], names)[0]["lens_probability"]
    doubled = values(model, [TEXTS[0]], names, lens=Doubled(readout, "none"))[0]["lens_probability"]
    plain = values(model, [TEXTS[0]], names, lens=LogitLens(readout, "none"))[0]["lens_probability"]
    assert np.nanmax(np.abs(whole - plain)) > 1e-3 and np.nanmax(np.abs(doubled - plain)) > 1e-3
