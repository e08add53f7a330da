"""Answers sampled by vLLM, played by a stand-in: ids alone, and everything else as ever."""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import fake_vllm
import layergram as lg
from layergram.answers.ask import ask
from layergram.cli import main
from layergram.engine.sampling import seed_of
from layergram.models.edits import HeadEdit, edited
from layergram.models.model import Model
from layergram.storage.executor import Share
from layergram.storage.folder import RunFolder
from layergram.storage.verify import verify

OWN = lg.AnswerOptions(samples=3, max_new_tokens=12, temperature=1.3, top_k=40)


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The stand-in, installed, and no GPU: the models here are on the CPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return fake_vllm.install(tmp_path / "site", monkeypatch)


@pytest.fixture
def by_vllm(vllm):
    """Options that sample with it."""
    return replace(OWN, sampler="vllm")


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "set.csv"
    lines = [f"{'Now: ' * (at % 4)}the sum of {at} and 5 is?,{at + 5}" for at in range(12)]
    path.write_text("\n".join(["question,answer", *lines]), encoding="utf-8")
    return lg.questions(path)


def test_greedy_answers_are_those_of_layergrams_own_sampler(tiny, questions, by_vllm, monkeypatch):
    """So prompts, weights, stopping ids, length and the repetition penalty are the same."""
    plain = [a.ids for a in ask(tiny, questions, options=OWN) if a.sample == 0]
    settings = tiny.network.generation_config
    monkeypatch.setattr(settings, "eos_token_id", [plain[0][2], tiny.tokenizer.eos_token_id])
    monkeypatch.setattr(settings, "repetition_penalty", 1.4)
    own, found = (ask(tiny, questions, options=each) for each in (OWN, by_vllm))
    greedy = [a for a in found if a.sample == 0]
    assert [a.ids for a in greedy] == [a.ids for a in own if a.sample == 0] != plain
    assert {a.ended for a in greedy} == {"stop", "length"}
    assert len({a.ids for a in found if a.sample} & {a.ids for a in own if a.sample}) < 9


def test_what_vllm_is_asked(tiny, tiny_llama_folder, questions, by_vllm, vllm):
    by_vllm = replace(by_vllm, top_p=0.7)
    found = {(a.question.id, a.sample): a for a in ask(tiny, questions, options=by_vllm)}
    asked_of_engine = {
        "model": str(tiny_llama_folder),
        "revision": None,
        "dtype": "float32",
        "max_model_len": max(len(a.prompt) for a in found.values()) + 12,
        "gpu_memory_utilization": None,
    }
    assert vllm.LLM.made == [asked_of_engine]
    seeds = {how.seed: (prompt, how) for prompt, how in vllm.LLM.asked if how.temperature}
    assert len(seeds) == 12 * 3
    for (question, sample), answer in found.items():
        if sample == 0:
            continue
        prompt, how = seeds[seed_of(0, question, sample)]
        assert prompt == answer.prompt
        assert (how.temperature, how.top_p, how.top_k, how.max_tokens) == (1.3, 0.7, 40, 12)
        assert how.stop_token_ids == list(tiny.stop_ids) and how.repetition_penalty == 1
    assert len({a.ids for a in found.values()}) > 30
    alone = ask(tiny, questions.first(1), options=by_vllm)
    assert [a.ids for a in alone] == [found[a.question.id, a.sample].ids for a in alone]
    all_tokens = replace(by_vllm, top_k=0)
    ask(tiny, questions.first(1), options=all_tokens)
    assert {how.top_k for _, how in vllm.LLM.asked[-4:]} == {-1}


def test_answers_of_vllm_are_replayed_as_any_others(tiny, questions, by_vllm, vllm, tmp_path):
    options = lg.DepthOptions(by_vllm, (0.5, 0.05), rho=0.6)
    made = lg.depth(tiny, questions, out=tmp_path / "run", options=options)
    drawn = {seed_of(0, a["id"], a["sample"]): a for a in made.records["answers"]}
    assert {how.seed for _, how in vllm.LLM.asked} == drawn.keys()
    for answer in (drawn[how.seed] for _, how in vllm.LLM.asked[::7]):
        steps = lg.trace(tiny, answer=answer, measures=["settling_depth"], options={"g": 0.05})
        columns = slice(answer["prompt_tokens"] - 1, len(answer["ids"]) - 1)
        depths = steps["settling_depth"].values[columns]
        np.testing.assert_array_equal(depths, answer["depths"]["0.05"])
    assert (
        '"sampler": "vllm", "sampler_version": "0.33.0"'
        in (made.maps["settling_depths"].attrs["options"])
    )
    assert {stage.name for stage in (tmp_path / "run").iterdir() if stage.is_dir()} == {
        "answers",
        "extracts",
        "depths",
    }
    assert verify(tmp_path / "run").whole
    vllm.LLM.made.clear()
    again = lg.depth(tiny, questions, out=tmp_path / "run", options=options)
    assert again.summary == made.summary and not vllm.LLM.made


def test_a_stopped_run_goes_on_in_its_shards_and_a_new_one_gives_vllm_all_prompts_at_once(
    tiny, questions, by_vllm, vllm, folder, monkeypatch
):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr("layergram.answers.ask.VLLM_SHARD", 32)
        with pytest.raises(KeyboardInterrupt):
            ask(tiny, questions, options=by_vllm, folder=folder, progress=stop)
    resumed = ask(tiny, questions, options=by_vllm, folder=folder)
    assert vllm.LLM.calls == [32, 16]
    assert resumed == ask(tiny, questions, options=by_vllm)
    assert vllm.LLM.calls == [32, 16, 48]


def test_every_share_of_a_run_has_answers_to_sample(tiny, questions, by_vllm, vllm, tmp_path):
    with (
        RunFolder(tmp_path / "run", share=Share(1, 2)) as first,
        pytest.raises(lg.LayergramError, match="of the shares 2/2"),
    ):
        ask(tiny, questions, options=by_vllm, folder=first)
    with RunFolder(tmp_path / "run", share=Share(2, 2)) as second:
        ask(tiny, questions, options=by_vllm, folder=second)
    assert vllm.LLM.calls == [32, 16]


def test_results_of_two_samplers_never_mix(
    tiny, questions, by_vllm, vllm, folder, tmp_path, monkeypatch
):
    ask(tiny, questions, options=by_vllm, folder=folder)
    asked = len(vllm.LLM.asked)
    with pytest.raises(lg.LayergramError, match=r"results of another run.*sampler"):
        ask(tiny, questions, options=OWN, folder=folder)
    fake_vllm.install(tmp_path / "newer", monkeypatch, "0.34.0")
    with pytest.raises(lg.LayergramError, match=r"sampler_version '0.33.0', now '0.34.0'"):
        ask(tiny, questions, options=by_vllm, folder=folder)
    assert len(vllm.LLM.asked) == asked


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
@pytest.mark.parametrize("command", ["depth", "roles"])
def test_without_vllm_a_run_is_refused_before_it_loads_anything(
    command, tmp_path, capsys, monkeypatch, tiny_llama_folder
):
    monkeypatch.setattr("layergram.models.load.open_source", None)
    words = [command, "capitals", "--sampler", "vllm", "--model", tiny_llama_folder]
    assert main(list(map(str, [*words, "--out", tmp_path / "out"]))) == 2
    printed = capsys.readouterr().err
    assert "pip install 'layergram[vllm]'" in printed and "without vLLM" in printed
    assert not (tmp_path / "out").exists()


def test_the_command_samples_with_vllm(tmp_path, vllm, tiny_llama_folder):
    out = tmp_path / "out"
    words = ["depth", "arithmetic", "--limit", 3, "--samples", 2, "--max-new-tokens", 8]
    words += ["--sampler", "vllm", "--model", tiny_llama_folder, "--out", out]
    assert main(list(map(str, words))) == 0
    assert len(vllm.LLM.asked) == 6 and (out / "settling_depths.nc").exists()


@pytest.mark.parametrize("command", ["depth", "roles"])
def test_plans_and_ray_are_refused_before_the_model_is_loaded(
    command, vllm, tmp_path, capsys, monkeypatch, tiny_llama_folder
):
    monkeypatch.setattr("layergram.models.load.open_source", None)
    monkeypatch.setattr("layergram.execution.options.check_ray", lambda on: None)
    words = [command, "capitals", "--sampler", "vllm", "--model", tiny_llama_folder]
    words += ["--out", tmp_path / "out"]
    for more, message in {
        ("--plan",): "the plan of a run with the sampler vllm",
        ("--on", "ray"): "a run on Ray with the sampler vllm",
    }.items():
        assert main(list(map(str, [*words, *more]))) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_plans_and_ray_are_refused_in_python_where_the_sampler_would_be_used(
    tiny, by_vllm, tmp_path
):
    capitals, on_ray = lg.questions("capitals"), lg.Execution(on="ray")
    depth, roles = lg.DepthOptions(by_vllm), lg.RoleMapOptions(by_vllm, control="none")
    for experiment, options in ((lg.depth, depth), (lg.role_map, roles)):
        with pytest.raises(lg.LayergramError, match="on Ray with the sampler vllm"):
            experiment(tiny, capitals, out=tmp_path / "ray", options=options, execution=on_ray)
        with pytest.raises(lg.LayergramError, match="plan of a run with the sampler vllm"):
            lg.plan(experiment, tiny, capitals, options=options)
    assert not (tmp_path / "ray").exists()
    path = tmp_path / "texts.csv"
    lines = [f"It is {at} or {at + 1}.,{'high' if at % 2 else 'low'}" for at in range(40)]
    path.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    texts = lg.labelled(path, near_duplicates="separate")
    planned = lg.plan(lg.role_map, tiny, texts, options=roles)
    assert [stage.items for stage in planned.stages] == [40]


def test_roles_of_answers_by_vllm(tiny, questions, by_vllm, vllm):
    options = lg.RoleMapOptions(answers=replace(by_vllm, samples=0))
    with pytest.raises(lg.LayergramError, match="right and"):  # an untrained model is never right
        lg.role_map(tiny, lg.questions("capitals").first(20), options=options)
    assert len(vllm.LLM.asked) == 20


def test_what_vllm_cannot_do_is_refused_before_it_is_loaded(
    tiny, questions, by_vllm, vllm, monkeypatch
):
    with pytest.raises(lg.LayergramError, match="cannot take an answer up"):
        lg.DepthOptions(by_vllm, stop_early=True)
    for temperature in (0.005, 2.5):
        with pytest.raises(lg.LayergramError, match=r"0\.01 to 2"):
            replace(by_vllm, temperature=temperature)
    with pytest.raises(lg.LayergramError, match="sampler 'vlm'"):
        replace(OWN, sampler="vlm")
    as_object = lg.load(copy.deepcopy(tiny.network), tokenizer=tiny.tokenizer)
    with pytest.raises(lg.LayergramError, match="given as an object"):
        ask(as_object, questions, options=by_vllm)
    with (
        edited(tiny, HeadEdit(heads=((1, 0),))),
        pytest.raises(lg.LayergramError, match=r"under edits.*layer 1, head 0"),
    ):
        ask(tiny, questions, options=by_vllm)
    monkeypatch.setattr(tiny.network.generation_config, "suppress_tokens", [5])
    with pytest.raises(lg.LayergramError, match="SuppressTokensLogitsProcessor"):
        ask(tiny, questions, options=by_vllm)
    assert not vllm.LLM.made


@pytest.mark.parametrize(
    ("device", "gpu", "allowed"),
    [
        ("cpu", True, "cuda:0; .*VISIBLE"),
        ("cuda:1", True, "cuda:0; .*VISIBLE"),
        ("mps", False, "cpu"),
    ],
)
def test_a_device_that_vllm_would_not_take_is_refused(
    device, gpu, allowed, tiny, questions, by_vllm, vllm, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setattr(Model, "device", torch.device(device))
    with pytest.raises(lg.LayergramError, match=f"(?s)the device '{device}'.*{allowed}"):
        ask(tiny, questions, options=by_vllm)
    assert not vllm.LLM.made


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_on_the_first_gpu_vllm_takes_half_of_what_is_free(
    device, tiny, questions, by_vllm, vllm, monkeypatch
):
    monkeypatch.setattr(Model, "device", torch.device(device))
    monkeypatch.setattr(Model, "dtype", torch.bfloat16)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (60 << 30, 80 << 30))
    monkeypatch.setattr("layergram.engine.samplers.logit_rules", lambda *_: None)  # made on the GPU
    [answer] = ask(tiny, questions.first(1), options=replace(by_vllm, samples=0))
    [made] = vllm.LLM.made
    assert made["dtype"] == "bfloat16" and made["gpu_memory_utilization"] == 0.375
    assert made["max_model_len"] == len(answer.prompt) + 12


ODD = {
    "ended by 'abort'": ([7], "abort"),
    "did not end at a stopping token": ([7, 8], "stop"),
    "of 13 tokens": ([7] * 13, "length"),
    "of 0 tokens": ([], "length"),
    "no embedding": ([10**6], "length"),
}


@pytest.mark.parametrize("message", ODD)
def test_an_answer_of_a_kind_that_is_not_known_is_refused(
    message, tiny, questions, by_vllm, vllm, monkeypatch
):
    monkeypatch.setattr(vllm.LLM, "answer", ODD[message])
    with pytest.raises(lg.LayergramError, match=message):
        ask(tiny, questions, options=by_vllm)


def test_a_model_that_vllm_cannot_load_is_one_message(tiny, questions, by_vllm, vllm, monkeypatch):
    monkeypatch.setattr(vllm.LLM, "fails", "no kernel for this\nmachine")
    with pytest.raises(lg.LayergramError, match="no kernel for this machine") as refused:
        ask(tiny, questions, options=by_vllm)
    assert refused.value.exit_code == 1
