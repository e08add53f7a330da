"""Where a model comes from, and what is refused about it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    LlamaModel,
    T5Config,
)

from layergram.errors import LayergramError
from layergram.models.sources import digest as fingerprint
from layergram.models.sources.gguf import check_gguf
from layergram.models.sources.open import check_request, open_source
from tiny_llama import write_gguf

TEXT = "The capital of France is Paris"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test here touches the cache of the user."""
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tiny_llama_folder, tmp_path):
    """A copy of the tiny llama that a test may spoil."""
    return shutil.copytree(tiny_llama_folder, tmp_path / "model")


@pytest.fixture
def model(tiny_llama_folder):
    return AutoModelForCausalLM.from_pretrained(tiny_llama_folder)


@pytest.fixture
def tokenizer(tiny_llama_folder):
    return AutoTokenizer.from_pretrained(tiny_llama_folder)


def refusal(model, **options) -> LayergramError:
    with pytest.raises(LayergramError) as caught:
        open_source(model, **options)
    return caught.value


def logits(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(TEXT, return_tensors="pt")).logits


# ---- what works ------------------------------------------------------------------------------


def test_a_folder_gives_a_model_ready_to_read(folder, model, tokenizer):
    source = open_source(str(folder))
    assert not source.model.training
    assert not any(weight.requires_grad for weight in source.model.parameters())
    assert source.model.dtype == torch.float32
    assert source.name == str(folder)
    assert torch.equal(logits(source.model, source.tokenizer), logits(model, tokenizer))


def test_dtype_is_what_was_asked(folder):
    assert open_source(folder, dtype="bfloat16").model.dtype == torch.bfloat16


def test_auto_dtype_on_the_cpu_is_float32_whatever_the_checkpoint_has(model, tokenizer, tmp_path):
    model.to(torch.bfloat16).save_pretrained(tmp_path / "half")
    tokenizer.save_pretrained(tmp_path / "half")
    assert open_source(tmp_path / "half", device="cpu").model.dtype == torch.float32


def test_a_gguf_file_gives_the_model_that_it_was_made_from(
    tiny_gguf, own_cache, model, tokenizer, monkeypatch
):
    source = open_source(tiny_gguf)
    assert source.tokenizer(TEXT).input_ids == tokenizer(TEXT).input_ids
    torch.testing.assert_close(
        logits(source.model, source.tokenizer), logits(model, tokenizer), atol=1e-5, rtol=0
    )
    assert source.tokenizer.chat_template == tokenizer.chat_template
    assert source.model.generation_config.eos_token_id == tokenizer.eos_token_id
    monkeypatch.setattr("layergram.models.sources.gguf.convert", None)
    again = open_source(tiny_gguf)
    assert again.revision == source.revision
    assert [path.name for path in own_cache.iterdir() if path.is_dir()] == [
        f"gguf-{source.revision.removeprefix('sha256:')}-1"
    ]


def test_a_loaded_model_is_used_as_it_is(model, tokenizer):
    before = [weight.data_ptr() for weight in model.parameters()]
    source = open_source(model, tokenizer=tokenizer)
    assert source.model is model
    assert source.tokenizer is tokenizer
    assert [weight.data_ptr() for weight in model.parameters()] == before
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_loaded_model_finds_its_tokenizer_where_it_came_from(model, tokenizer):
    assert open_source(model).tokenizer.get_vocab() == tokenizer.get_vocab()


def test_loading_says_nothing_and_leaves_the_loudness_as_it_was(folder, capfd):
    from transformers.utils import logging

    logging.set_verbosity_info()
    logging.enable_progress_bar()
    try:
        open_source(folder)
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity_warning()
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_loaded_without_the_network(folder, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    open_source(folder)


# ---- revisions -------------------------------------------------------------------------------


def test_the_revision_follows_the_weights_and_nothing_else(folder, model, tmp_path):
    first = open_source(folder).revision
    (folder / "README.md").write_text("a note")
    assert open_source(folder).revision == first
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.add_(0.01)
    model.save_pretrained(folder)
    assert open_source(folder).revision != first


def test_the_digest_of_a_loaded_model_follows_its_weights(model):
    first = fingerprint.digest_of_model(model)
    assert fingerprint.digest_of_model(model) == first
    with torch.no_grad():
        model.lm_head.weight.mul_(1.01)
    assert fingerprint.digest_of_model(model) != first


# ---- refused before anything is loaded -------------------------------------------------------


def test_refusals_need_neither_torch_nor_transformers(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00")
    code = (
        "import importlib.util as u, pathlib, sys, types\n"
        "import layergram\n"
        "package = types.ModuleType('layergram.models')\n"
        "package.__path__ = [str(pathlib.Path(layergram.__file__).parent / 'models')]\n"
        "sys.modules['layergram.models'] = package\n"
        "from layergram.models.sources.open import check_request\n"
        "from layergram.errors import LayergramError\n"
        f"for bad in ('smolm2', '/no/where', {str(tmp_path)!r}, {str(broken)!r}):\n"
        "    try: check_request(bad)\n"
        "    except LayergramError: continue\n"
        "    sys.exit(f'{bad} was not refused')\n"
        "print({'torch', 'transformers'} & set(sys.modules) or 'light')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "light", done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smolm2", "did you mean 'smollm2'?"),
        ("completely-else", "check the name"),
        ("./no/such/folder", "no model, file or folder"),
        ("missing/model.gguf", "no model, file or folder"),
        ("", "no model, file or folder"),
        (7, "a model from a int"),
    ],
)
def test_an_unknown_model_is_refused(name, words):
    error = refusal(name)
    assert words in str(error)
    assert "smollm2" in error.allowed


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    assert "name the folder" in refusal(path).do
    page = tmp_path / "page.gguf"
    page.write_text("<html>not found</html>")
    assert "does not begin with 'GGUF'" in refusal(page).got


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "a folder without config.json; in it: chat_template.jinja"),
        ("model.safetensors", "a folder without weights"),
        ("tokenizer*", "a folder without tokenizer"),
    ],
)
def test_a_folder_without_a_part_is_refused(folder, missing, words):
    for path in folder.glob(missing):
        path.unlink()
    assert words in refusal(folder).got


def test_a_folder_without_tokenizer_works_with_one_given(folder, tokenizer):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert open_source(folder, tokenizer=tokenizer).tokenizer is tokenizer


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_gguf_is_refused_with_its_size(tiny_gguf, tmp_path, kept):
    whole = tiny_gguf.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(LayergramError) as caught:
        check_request(cut)
    assert f"truncated file: it has {cut.stat().st_size:,} bytes" in caught.value.got
    if kept > 0.3:
        assert f"asks for {check_gguf(tiny_gguf).expected_bytes:,} bytes" in caught.value.got


def test_the_header_of_a_whole_gguf_asks_for_no_more_than_there_is(tiny_gguf, model):
    header = check_gguf(tiny_gguf)
    assert tiny_gguf.stat().st_size - 32 < header.expected_bytes <= tiny_gguf.stat().st_size
    assert header.weights == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "gpu"}, "use 'cuda'"),
        ({"device": "cuda:x"}, "use 'cuda'"),
        ({"dtype": "bf16"}, "did you mean 'bfloat16'?"),
        ({"revision": "main"}, "leave the revision out"),
    ],
)
def test_a_wrong_option_is_refused_before_the_model_is_opened(folder, options, words):
    with pytest.raises(LayergramError) as caught:
        check_request(folder, **options)
    assert words in caught.value.do


# ---- refused on opening ----------------------------------------------------------------------


def test_a_device_that_is_not_there_is_refused_with_those_that_are(folder):
    error = refusal(folder, device=f"cuda:{torch.cuda.device_count()}")
    assert error.got == "no such device on this machine"
    assert "cpu" in error.allowed


def test_a_hub_id_that_cannot_be_had_is_one_clear_error(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    error = refusal("nobody/no-such-model")
    assert "the hub cannot be reached" in error.got
    assert "'org/name'" in error.allowed


def test_a_tokenizer_of_another_place_is_loaded_from_there(folder, tokenizer, monkeypatch):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert open_source(folder, tokenizer=tokenizer.name_or_path).tokenizer.eos_token == "<|end|>"
    monkeypatch.setattr("layergram.models.sources.open._online", lambda: False)
    error = refusal(folder, tokenizer="nobody/no-such-tokenizer")
    assert error.got.startswith("the tokenizer in 'nobody/no-such-tokenizer' could not be loaded")
    assert "the hub cannot be reached" in error.got


@pytest.mark.parametrize(
    ("config", "architecture", "reason"),
    [
        (BertConfig(architectures=["BertForMaskedLM"]), "BertForMaskedLM (bert)", "an encoder"),
        (BertConfig(), "BertConfig (bert)", "an encoder"),
        (T5Config(architectures=["T5ForConditionalGeneration"]), "T5For", "an encoder-decoder"),
    ],
)
def test_an_encoder_is_refused_by_its_config(folder, config, architecture, reason):
    config.save_pretrained(folder)
    error = refusal(folder)
    assert architecture in error.got
    assert error.got.endswith(reason)
    assert "causal language model" in error.allowed


def test_another_task_and_an_unknown_architecture_are_refused(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "architectures": ["LlamaForSequenceClassification"]}))
    assert "another task" in refusal(folder).got
    path.write_text(json.dumps({**config, "model_type": "no-such-type"}))
    assert "no-such-type" in refusal(folder).got
    path.write_text("{")
    assert "its configuration could not be loaded" in refusal(folder).got


def test_a_decoder_bert_is_a_causal_model(tokenizer):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(tokenizer), intermediate_size=16, is_decoder=True, **small)
    assert open_source(BertLMHeadModel(config).eval(), tokenizer=tokenizer)
    config = BertConfig(vocab_size=len(tokenizer), intermediate_size=16, **small)
    assert "an encoder" in refusal(BertForMaskedLM(config).eval(), tokenizer=tokenizer).got


def test_nan_and_infinity_in_the_weights_are_named(folder, model):
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[3, :2] = float("nan")
        model.model.norm.weight[0] = float("inf")
    model.save_pretrained(folder)
    error = refusal(folder)
    assert "'model.layers.1.mlp.down_proj.weight' (2 NaN, 0 infinite of 2,048)" in error.got
    assert "'model.norm.weight' (0 NaN, 1 infinite of 32)" in error.got


def test_a_checkpoint_without_one_of_its_weights_is_refused(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.2.mlp.up_proj.weight" in refusal(folder).got


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_that_nothing_would_read_is_refused(folder, name):
    (folder / name).write_text("{}")
    with pytest.raises(LayergramError, match=r"(?s)adapter.*merge_and_unload"):
        open_source(folder)


def test_a_pointer_in_the_place_of_weights_is_refused(folder):
    next(folder.glob("*.safetensors")).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(LayergramError, match="git lfs pull"):
        open_source(folder)


def test_layers_that_the_configuration_leaves_out_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] -= 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(LayergramError, match=r"further layers.*layers\.2\."):
        open_source(folder)


def test_other_tensors_that_are_not_read_are_said(folder, model):
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    weights["vision.patches.weight"] = torch.zeros(2)
    save_file(weights, next(folder.glob("*.safetensors")), metadata={"format": "pt"})
    with pytest.warns(UserWarning, match=r"1 tensors .* vision\.patches\.weight"):
        open_source(folder)


def test_a_truncated_checkpoint_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "its weights could not be loaded" in refusal(folder).got


@pytest.mark.parametrize("options", [{"device": "cpu"}, {"dtype": "float32"}])
def test_a_loaded_model_is_never_moved_or_cast(model, options):
    assert "yourself" in refusal(model, **options).do


def test_a_loaded_model_that_cannot_be_read_is_refused(model, tokenizer):
    headless = LlamaModel(model.config).eval()
    assert "without an unembedding" in refusal(headless, tokenizer=tokenizer).got
    assert "model.eval()" in refusal(model.train(), tokenizer=tokenizer).do
    model.eval().config._name_or_path = ""
    assert "give the tokenizer" in refusal(model).do


def test_a_gguf_that_transformers_would_read_in_part_is_refused(
    tiny_llama_folder, tmp_path, own_cache
):
    path = tmp_path / "part.gguf"
    write_gguf(tiny_llama_folder, path, without="blk.1.ffn_up.weight")
    assert "weights for model.layers.1.mlp.up_proj.weight" in refusal(path).got
    write_gguf(tiny_llama_folder, path, extra={"llama.rope.scaling.type": "yarn"})
    assert "llama.rope.scaling.type" in refusal(path).got
    assert not [entry for entry in own_cache.iterdir() if entry.is_dir()]
