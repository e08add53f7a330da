"""A plan says what a run will take, from a few items, and makes nothing."""

from __future__ import annotations

import json
import sys

import pytest

import layergram as lg
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.experiments.averages import run as averages
from layergram.tokens import encode
from test_cli_roles import replies_of

TEXTS = [f"It is {at}. " * (1 + at % 3) for at in range(1000)]


@pytest.fixture
def questions_file(tmp_path, monkeypatch):
    monkeypatch.setattr("layergram.engine.samplers.generate", replies_of)
    path = tmp_path / "set.csv"
    lines = [f"What is number {at}?,Paris" for at in range(60)]
    path.write_text("\n".join(["question,answer", *lines]), encoding="utf-8")
    return path


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_a_plan_of_texts_counts_what_the_run_makes(tiny, tmp_path):
    texts, out = TEXTS[:150], tmp_path / "out"
    planned = lg.plan(lg.average_maps, tiny, texts, out=out, execution=lg.Execution(shard="2/3"))
    assert not out.exists()
    (stage,) = planned.stages
    assert (stage.name, stage.items, stage.shards, stage.done) == ("averages", 150, 3, 0)
    tokens = sum(len(encode(tiny.tokenizer, text)) for text in texts)
    assert tokens <= stage.tokens <= 2 * tokens  # with padding
    assert stage.seconds > 0 and planned.memory > 10**8
    assert planned.seconds == pytest.approx(stage.seconds / 3)
    lg.average_maps(tiny, texts, out=out)
    size = sum(path.stat().st_size for path in (out / "averages").rglob("*"))
    assert stage.bytes == pytest.approx(size, rel=0.3)
    again = lg.plan(lg.average_maps, tiny, texts, out=out)
    assert again.stages[0].done == 150 and again.seconds == 0


def test_a_plan_counts_the_maps_that_are_kept_for_other_measures(tiny, tmp_path):
    texts, out = TEXTS[:5], tmp_path / "out"
    options = {"measures": ["settling_depth", "lens_entropy"], "keep": "maps", "out": out}
    planned = lg.plan(lg.average_maps, tiny, texts, **options)
    lg.average_maps(tiny, texts, **options)
    files = [*(out / "averages").rglob("*"), *(out / "texts").rglob("*")]
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert planned.stages[0].bytes == pytest.approx(size, rel=0.05)
    assert lg.plan(lg.average_maps, tiny, texts, **options).stages[0].done == 5


def test_the_work_of_a_plan_does_not_grow_with_the_data(tiny, monkeypatch):
    read = []
    work = averages.AveragingWork.__call__

    def counted(self, ids):
        read.extend(ids)
        return work(self, ids)

    monkeypatch.setattr(averages.AveragingWork, "__call__", counted)
    calls = []
    encoded = tiny.tokenizer.__class__.__call__

    def counted_tokenizer(self, *arguments, **options):
        calls.append(arguments)
        return encoded(self, *arguments, **options)

    monkeypatch.setattr(tiny.tokenizer.__class__, "__call__", counted_tokenizer)
    for count in (1000, 100_000):
        read.clear(), calls.clear()
        planned = lg.plan(lg.average_maps, tiny, TEXTS * (count // 1000))
        assert planned.stages[0].items == count
        assert planned.stages[0].shards == -(-count // 64)
        assert len(read) == 16 and len(calls) <= 64


@pytest.mark.parametrize(
    ("words", "stages"),
    [
        (("map", "--texts", "{texts}"), ["averages"]),
        (("map", "--texts", "{texts}", "--keep", "maps"), ["averages"]),
        (("map", "--texts", "functions", "--by", "function"), ["averages"]),
        (("roles", "{set}"), ["answers", "p_true", "features", "random_weights"]),
        (("depth", "{set}", "--samples", 2, "--max-new-tokens", 4), ["answers", "depths"]),
        (
            ("depth", "{set}", "--samples", 2, "--max-new-tokens", 4, "--stop-early"),
            ["first_tokens", "depths"],
        ),
        (("heads", "--sweep", "--limit", 20), ["patterns", "head_outputs", "masking", "sweep"]),
    ],
)
def test_every_command_plans_and_makes_nothing(
    capsys, questions_file, tmp_path, tiny_llama_folder, words, stages
):
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS[:40]))
    places = {"texts": tmp_path / "texts.txt", "set": questions_file}
    words = [str(word).format(**places) for word in words]
    words += ["--model", tiny_llama_folder, "--out", tmp_path / "out", "--plan"]
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    planned = json.loads(out)
    names = [stage["name"].split("/")[0] for stage in planned["stages"]]
    assert [name for name in names if name != "extracts"] == stages
    assert all(stage["items"] >= stage["shards"] >= 1 for stage in planned["stages"])
    assert planned["disk_bytes"] > 0 and planned["seconds"] > 0 and planned["memory_bytes"] > 0
    assert not (tmp_path / "out").exists()


def test_a_plan_of_answers_says_what_is_done(capsys, questions_file, tmp_path, tiny_llama_folder):
    words = ["roles", questions_file, "--model", tiny_llama_folder, "--out", tmp_path / "out"]
    code, *_ = run(capsys, *words, "--shard", "1/2")
    assert code == 1
    code, out, _ = run(capsys, *words, "--plan", "--json")
    answers = json.loads(out)["stages"][0]
    assert (answers["name"], answers["items"], answers["shards"]) == ("answers", 60, 2)
    assert (code, answers["done"]) == (0, 32)
    code, out, _ = run(capsys, *words, "--plan")
    assert code == 0 and "nothing has been made" in out and "32" in out


def test_the_plan_for_the_folder_of_another_run_is_refused_as_the_run_is(tiny, tmp_path):
    texts, out = TEXTS[:40], tmp_path / "out"
    lg.average_maps(tiny, texts, measures=["residual_norm"], out=out)
    for other in ({"measures": ["lens_entropy"]}, {"by": "edge"}, {"keep": "maps"}):
        options = {"measures": ["residual_norm"], "out": out, **other}
        for make in (
            lg.average_maps,
            lambda *given, **more: lg.plan(lg.average_maps, *given, **more),
        ):
            with pytest.raises(LayergramError, match="results of another run"):
                make(tiny, texts, **options)
    assert lg.plan(lg.average_maps, tiny, texts, measures=["residual_norm"], out=out).seconds == 0


def test_answers_stopped_early_do_not_share_a_folder_with_whole_ones(
    tiny, questions_file, tmp_path
):
    found, asked = (
        lg.questions(questions_file).first(4),
        lg.AnswerOptions(samples=2, max_new_tokens=4),
    )
    for first in (True, False):
        out = tmp_path / str(first)
        lg.depth(tiny, found, out=out, options=lg.DepthOptions(asked, stop_early=first))
        before = sorted(out.rglob("*"))
        other = lg.DepthOptions(asked, stop_early=not first)
        with pytest.raises(LayergramError, match="results of another run"):
            lg.plan(lg.depth, tiny, found, out=out, options=other)
        with pytest.raises(LayergramError, match="results of another run"):
            lg.depth(tiny, found, out=out, options=other)
        assert sorted(out.rglob("*")) == before, "nothing has been asked"


def test_a_plan_of_heads_counts_the_masking_passes_of_the_run(tiny, tmp_path):
    steps = lg.steps("functions").first(40)
    seen = []
    hook = tiny.network.register_forward_pre_hook(
        lambda network, args, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    masking = lg.Masking(draws=19, doses=(1, 2, 4))
    options = lg.HeadMapOptions(masking=masking, top=2)
    planned = lg.plan(lg.head_maps, tiny, steps, options=options)
    seen.clear()
    lg.head_maps(tiny, steps, out=tmp_path, options=options)
    with_masking = sum(seen)
    seen.clear()
    without = lg.HeadMapOptions(masking=None, top=2)
    lg.head_maps(tiny, steps, options=without)
    hook.remove()
    (stage,) = [one for one in planned.stages if one.name == "masking"]
    made = json.loads(next(tmp_path.glob("masking/*/passes/stage.json")).read_bytes())
    assert stage.items == stage.shards == len(made["items"])
    # the few sequences of the probe are of very different lengths, so more of them is padding
    assert stage.tokens == pytest.approx(with_masking - sum(seen), rel=0.1)


def test_a_system_that_says_nothing_of_memory_has_a_plan_without_it(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    planned = lg.plan(lg.average_maps, tiny, TEXTS[:20])
    assert planned.memory is None and planned.plain["memory_bytes"] is None
    assert "of memory" not in str(planned) and "of disk" in str(planned)


def test_what_has_no_plan_is_refused(tiny):
    with pytest.raises(LayergramError, match="average_maps, role_map, head_maps, depth"):
        lg.plan(lg.trace, tiny, "A text.")
