"""Where a run is done changes nothing in what it finds; what cannot be is refused at once."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from ray import cloudpickle

import layergram as lg
from layergram import maps
from layergram.cli import main
from layergram.datasets.step_sequences import step_sequences
from layergram.errors import LayergramError
from layergram.experiments.averages.items import items_of
from layergram.experiments.averages.run import AveragingWork, averaging_stage
from layergram.experiments.depth.pipeline import sample_depths
from layergram.experiments.heads.model_answers import model_answers
from layergram.experiments.heads.patterns import attention_patterns
from layergram.experiments.roles.controls import random_weights
from layergram.experiments.roles.p_true import p_true
from layergram.experiments.roles.pipeline import judged_answers
from layergram.features.head_outputs import head_outputs
from layergram.features.hidden_states import hidden_states
from layergram.interventions.causal_test import causal_test
from layergram.models import model as models
from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage
from test_cli_roles import replies_of


class Carried:
    """Stands in for the workers on Ray: everything is sent as bytes, and nothing else is known."""

    def __init__(self, on, *, workers, threads, gpus, folder):
        self.stages = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        assert self.stages

    def __call__(self, make, shards):
        self.stages += 1
        return map(cloudpickle.loads(cloudpickle.dumps(make)), shards)


@pytest.fixture
def carried(monkeypatch):
    """Models that other processes would have made, beside those of this one."""
    made = {}
    monkeypatch.setattr("layergram.execution.folder.RayWorkers", Carried)
    monkeypatch.setattr(models, "_HERE", made)
    return made


@pytest.fixture
def questions_file(tmp_path, monkeypatch):
    monkeypatch.setattr("layergram.engine.samplers.generate", replies_of)
    path = tmp_path / "set.csv"
    lines = [f"What is number {at}?,Paris" for at in range(60)]
    path.write_text("\n".join(["question,answer", *lines]), encoding="utf-8")
    return path


@pytest.fixture
def texts_file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n\n".join(f"It is as old as it is. Is it {at}?" for at in range(70)))
    return path


def all_stages(model, folder, questions):
    """Every stage of every experiment, on few items and without reports."""
    rows = judged_answers(model, questions, folder, options=lg.AnswerOptions(samples=1))
    p_true(model, rows[:6], folder)
    hidden_states(model, rows[:6], folder)
    spec = lg.FeatureSpec(name="random_weights", scores="none")
    hidden_states(random_weights(model), rows[:6], folder, spec=spec)
    few = lg.DepthOptions(lg.AnswerOptions(samples=2, max_new_tokens=4))
    with folder.within("depth") as inner:
        sample_depths(model, questions.first(3), inner, options=few)
    steps = lg.steps("functions")
    steps = replace(steps, steps=steps.steps[:4])
    read = step_sequences(model, steps)
    attention_patterns(model, folder=folder)
    model_answers(model, steps, read, folder)
    head_outputs(model, read, folder)
    lg.sweep_heads(model, lg.score_metric(read, steps), heads=[(1, 0)], folder=folder)
    top = {steps.steps[0].function: [(2, 1)]}
    causal_test(model, read, steps, top, masking=lg.Masking(draws=2), folder=folder)
    items = items_of(model, ["It is.", "Is it old?"], "tenths", chat="auto")
    work = AveragingWork(model, items, ["residual_norm"])
    run_stage(averaging_stage(work), work, folder)


def results(folder):
    """Everything in a folder but pictures, words, pages and the time of day."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".nc":
            array = maps.read(path)
            found[name] = (array.values.tobytes(), {**array.attrs, "created": ""})
        elif path.is_file() and path.suffix not in (".png", ".md", ".html", ".lock"):
            # a map says when it was made, and is compared above
            found[name] = re.sub(rb'(\.nc": )\[[^]]*\]', rb"\1[]", path.read_bytes())
    return found


def test_every_stage_can_be_sent_to_another_process(carried, questions_file, tmp_path, tiny):
    questions = lg.questions(questions_file).first(40)
    here, there = tmp_path / "here", tmp_path / "there"
    with RunFolder(here) as folder:
        all_stages(tiny, folder, questions)
    sent = Carried("ray", workers=None, threads=1, gpus=0, folder=there)
    with RunFolder(there, executor=sent) as folder:
        all_stages(tiny, folder, questions)
    stages = len(list(there.rglob("stage.json")))
    assert sent.stages == stages == 13
    assert results(there) == results(here)
    names = sorted(model.name.split("/")[-1] for model in carried.values())
    assert names == ["tiny-llama", "tiny-llama with random weights (seed 0)"]


def test_every_shard_says_how_many_threads_made_it(carried, tiny, tmp_path):
    for name, execution in {"local": None, "ray": lg.Execution(on="ray", threads=7)}.items():
        lg.average_maps(tiny, ["It is old."], out=tmp_path / name, execution=execution)
    import torch

    marker = "averages/shards/00000.json"
    threads = [
        json.loads((tmp_path / name / marker).read_text())["threads"] for name in ("local", "ray")
    ]
    assert threads == [torch.get_num_threads(), 7]


@pytest.mark.parametrize("share", ["1/2", "2/2"])
def test_shares_of_texts_wait_for_each_other(
    share, texts_file, tmp_path, tiny_llama_folder, capsys
):
    other = "2/2" if share == "1/2" else "1/2"
    words = ["map", "--texts", texts_file, "--model", tiny_llama_folder, "--out", tmp_path / "out"]
    words = [*map(str, words), "--measure", "residual_norm"]
    assert main([*words, "--shard", share]) == 1
    assert f"of the shares {other}; share {share} is done" in capsys.readouterr().err
    assert not (tmp_path / "out" / "residual_norm.nc").exists()
    assert main([*words, "--shard", other]) == 0
    assert main([*map(str, words[:-3]), str(tmp_path / "one"), *words[-2:]]) == 0
    one, shared = (maps.read(tmp_path / name / "residual_norm.nc") for name in ("one", "out"))
    np.testing.assert_array_equal(shared, one)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--on", "ray://127.0.0.1:{port}"), "no answer there"),
        (("--on", "ray://127.0.0.1"), "no host and port"),
        (("--on", "ray://127.0.0.1:port"), "no port number"),
        (("--on", "spark"), "--on spark"),
        (("--shard", "5/3"), "--shard 5/3"),
        (("--shard", "0/3"), "K from 1 to N"),
        (("--shard", "third"), "--shard third"),
        (("--shard", "1/2", "--on", "ray"), "two ways to spread a run"),
        (("--workers", "2"), "a local run"),
        (("--threads", "0"), "--threads 0"),
    ],
)
@pytest.mark.parametrize("command", ["map", "roles", "heads", "depth"])
def test_bad_input_is_one_message_before_any_work(
    command, words, named, tmp_path, capsys, texts_file
):
    source = {"map": ("--texts", texts_file), "heads": ("functions",)}.get(command, ("capitals",))
    asked = [command, *source, "--out", tmp_path / "out", *words]
    began = time.monotonic()
    assert main([str(word).format(port=free_port()) for word in asked]) == 2
    assert time.monotonic() - began < 30  # no model is loaded, no cluster waited for
    out, err = capsys.readouterr()
    assert named in err and err.count("Asked for:") == 1 and not out
    assert not any((tmp_path / "out").glob("*"))


def test_without_ray_the_error_says_what_to_install(monkeypatch, tmp_path, capsys, texts_file):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "layergram.execution.ray_address.find_spec",
        lambda name: None if name == "ray" else real(name),
    )
    assert (
        main(["map", "--texts", str(texts_file), "--out", str(tmp_path / "x"), "--on", "ray"]) == 2
    )
    err = capsys.readouterr().err
    assert "pip install 'layergram[runs]'" in err
    assert all(part in err for part in ("Asked for:", "Got:", "Allowed:", "Do:"))


def test_a_cluster_elsewhere_needs_the_client_of_ray(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "layergram.execution.ray_address.find_spec",
        lambda name: None if name == "grpc" else real(name),
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"ray://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(LayergramError, match=r"pip install 'ray\[client\]'"):
            lg.Execution(on=address).check()
    lg.Execution(on="ray").check()  # here it is not needed


def test_texts_of_a_file_without_texts_are_one_message(tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("\n\n \n")
    words = ["map", "--texts", tmp_path / "empty.txt", "--out", tmp_path / "out", "--shard", "1/2"]
    assert main([*map(str, words)]) == 2
    assert capsys.readouterr().err.count("Asked for:") == 1


def test_options_of_a_run_are_refused_for_one_text(capsys):
    assert main(["map", "A text.", "--on", "ray"]) == 2
    assert "--texts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "data"),
    [
        (lg.average_maps, lambda: ["It is old."]),
        (lg.role_map, lambda: lg.questions("capitals")),
        (lg.head_maps, lambda: lg.steps("functions")),
        (lg.depth, lambda: lg.questions("capitals")),
    ],
)
def test_a_run_in_several_processes_needs_a_folder(tiny, run, data):
    with pytest.raises(LayergramError, match="no folder"):
        run(tiny, data(), execution=lg.Execution(shard="1/2"))


def test_a_model_given_as_an_object_is_not_sent_anywhere(carried, tiny, tmp_path):
    given = lg.load(tiny.network, tokenizer=tiny.tokenizer)
    with pytest.raises(LayergramError, match="given as an object"):
        lg.average_maps(given, ["It is."], out=tmp_path, execution=lg.Execution(on="ray"))


def test_a_model_with_edits_is_not_taken_for_one_without(carried, tiny, tmp_path):
    edit = lg.HeadEdit(heads=((1, 0),))
    with lg.edited(tiny, edit), pytest.raises(LayergramError, match="in another process"):
        lg.average_maps(tiny, ["It is."], out=tmp_path, execution=lg.Execution(on="ray"))
    assert not list((tmp_path / "averages" / "shards").glob("*.json"))


def test_storage_and_options_import_no_ray():
    program = (
        "import sys, layergram.execution.options, layergram.cli.common; print('ray' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "False", done.stderr
