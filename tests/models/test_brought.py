"""Models and tokenizers as people bring them: right, or refused by the name of what is wrong."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import layergram as lg
import zoo
from tiny_llama import SENTENCES, tiny_tokenizer

torch.set_num_threads(1)

TEXT = SENTENCES[0]
FORWARD = ["divergence", "attention_received", "residual_norm"]


def llama(**options):
    return zoo.tiny("llama", vocab_size=len(tiny_tokenizer()), **options)


def maps(network, *, tokenizer=None, text=TEXT, measures=FORWARD):
    return lg.trace(
        lg.load(network, tokenizer=tokenizer or tiny_tokenizer()), text, measures=measures
    )


def asked(template):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    model = lg.load(llama(), tokenizer=tokenizer)
    return model.format_prompt("What is 8 + 5?").text


def test_a_template_of_parts_is_given_parts():
    parts = "{% for p in m['content'] %}{{ p['text'] }}{% endfor %}"
    assert asked("{% for m in messages %}<U>" + parts + "{% endfor %}<A>") == "<U>What is 8 + 5?<A>"


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('the first message must be of the system') }}",
        "{% for m in %}",
        "<U><A>",
        {"rag": "x", "tool": "y"},
    ],
)
def test_a_template_that_fails_or_drops_the_prompt_is_one_clear_message(template):
    with pytest.raises(lg.LayergramError, match="chat template"):
        asked(template)


class NormalisingHead(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(x, 3 * nn.functional.normalize(self.weight))


class LowRankHead(nn.Linear):
    def forward(self, x):
        return super().forward(x) + x @ self.weight.T.roll(1, 0)


class Packed(nn.Module):
    """Two 4-bit numbers in a byte."""

    def __init__(self, linear):
        super().__init__()
        weight = linear.weight.detach()
        self.shape, self.scale = weight.shape, float(weight.abs().max() / 7)
        numbers = ((weight / self.scale).round() + 8).to(torch.uint8).reshape(-1, 2)
        packed = numbers[:, :1] * 16 + numbers[:, 1:]
        self.weight, self.bias = nn.Parameter(packed, requires_grad=False), None

    def matrix(self):
        numbers = torch.stack([self.weight[:, 0] // 16, self.weight[:, 0] % 16], 1)
        return (numbers.reshape(self.shape).float() - 8) * self.scale

    def forward(self, x):
        return x @ self.matrix().T


def packed(network, *, head):
    made, plain = copy.deepcopy(network), copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear) and (head or name != "lm_head"):
            parent, _, last = name.rpartition(".")
            small = Packed(module)
            setattr(made.get_submodule(parent), last, small)
            with torch.no_grad():
                plain.get_submodule(name).weight.copy_(small.matrix())
    return made.eval(), plain.eval()


@pytest.mark.parametrize("kind", [NormalisingHead, LowRankHead])
def test_an_unembedding_that_is_no_matrix_is_not_taken_for_one(kind):
    network = llama(tie_word_embeddings=False)
    head = kind(network.config.hidden_size, network.config.vocab_size, bias=False)
    head.weight.data = network.lm_head.weight.data.clone()
    network.lm_head = head
    model = lg.load(network.eval(), tokenizer=tiny_tokenizer())
    assert set(lg.trace(model, TEXT, measures=FORWARD)) == set(FORWARD)
    with pytest.raises(lg.LayergramError, match="unembedding"):
        lg.trace(model, TEXT, measures=["head_logit_attribution"])


@pytest.mark.parametrize("head", [False, True])
def test_packed_weights_give_the_maps_of_the_numbers_that_they_hold(head):
    made, plain = packed(llama(tie_word_embeddings=False), head=head)
    found, expected = maps(made), maps(plain)
    for name in FORWARD:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-5, equal_nan=True)
    with pytest.raises(lg.LayergramError, match=r"is no matrix|unembedding"):
        maps(made, measures=["head_logit_attribution"])


@pytest.mark.parametrize("model_type", ["mamba", "mamba2", "falcon_mamba"])
def test_a_stream_in_float32_before_an_unembedding_in_bfloat16(model_type):
    network = zoo.tiny(model_type).bfloat16()
    model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    assert model.dtype == torch.bfloat16
    found = lg.trace(model, ids=list(range(2, 22)), measures=["divergence", "residual_norm"])
    assert np.isfinite(found["divergence"].values[:, 1:]).all()


def test_activations_beyond_float16_are_named_as_that():
    network = llama().half()
    with torch.no_grad():
        network.model.layers[1].mlp.down_proj.weight.fill_(6e4)
        network.model.layers[1].mlp.up_proj.weight.mul_(50)
    with pytest.raises(lg.LayergramError, match=r"float16 in 'model\.layers\.1\.mlp"):
        lg.load(network, tokenizer=tiny_tokenizer())


def test_a_lens_beyond_float16_is_named_as_that():
    network = llama(tie_word_embeddings=False).half()
    model = lg.load(network, tokenizer=tiny_tokenizer())
    with torch.no_grad():
        network.model.norm.weight.mul_(3e4)
    with pytest.raises(lg.LayergramError, match="float16") as caught:
        lg.trace(model, TEXT, measures=["divergence"])
    assert "float32" in str(caught.value)


def test_experts_in_bfloat16_are_proved_layer_by_layer():
    network = zoo.tiny("mixtral", num_hidden_layers=24).bfloat16()
    model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    tap = next(proof for proof in model.proofs if proof.name == "tap")
    assert tap.status == "proved" and "layer by layer" in tap.note


def test_a_wrong_attention_function_is_found_in_bfloat16_too(monkeypatch):
    network = zoo.tiny("mixtral", num_hidden_layers=24).bfloat16()
    import transformers.models.mixtral.modeling_mixtral as file

    eager = file.eager_attention_forward

    def twice_the_scale(module, *args, scaling, **kwargs):
        return eager(module, *args, scaling=2 * scaling, **kwargs)

    monkeypatch.setattr(file, "eager_attention_forward", twice_the_scale)
    with pytest.raises(lg.LayergramError, match="attention captured"):
        zoo.load(network, tokenizer=zoo.word_tokenizer())


def test_one_block_in_training_mode_is_named():
    network = zoo.tiny("gpt2")
    network.transformer.h[2].train()
    with pytest.raises(lg.LayergramError, match=r"transformer\.h\.2"):
        zoo.load(network, tokenizer=zoo.word_tokenizer())


def test_a_hook_on_the_input_of_a_layer_is_named():
    network = llama()
    network.model.layers[2].register_forward_pre_hook(lambda module, args: (args[0] + 1, *args[1:]))
    with pytest.raises(lg.LayergramError, match=r"hooks on model\.layers\.2"):
        lg.load(network, tokenizer=tiny_tokenizer())


def test_a_hook_on_the_output_of_a_layer_is_measured():
    network = llama()
    before = maps(network, measures=["residual_norm"])["residual_norm"]
    network.model.layers[1].register_forward_hook(lambda module, args, output: output + 1)
    after = maps(network, measures=["residual_norm"])["residual_norm"]
    assert np.array_equal(after.sel(layer=1), before.sel(layer=1))
    assert not np.allclose(after.sel(layer=2), before.sel(layer=2))


def test_an_id_without_an_embedding_is_named():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<new>"])
    model = lg.load(zoo.tiny("llama", vocab_size=len(tokenizer) - 1), tokenizer=tokenizer)
    last = len(tokenizer) - 1
    with pytest.raises(lg.LayergramError, match=f"the id {last}"):
        lg.trace(model, "A <new> layer", measures=["residual_norm"])
    with pytest.raises(lg.LayergramError, match=f"the id {last}"):
        lg.trace(model, prompt="What is <new>?", measures=["residual_norm"])


@pytest.mark.parametrize(
    ("model_type", "options", "limit"),
    [
        ("roberta", {"is_decoder": True, "max_position_embeddings": 64, "pad_token_id": 1}, 62),
        ("gpt2", {"max_position_embeddings": 64}, 64),
        ("opt", {"max_position_embeddings": 64}, 64),
        ("llama", {"max_position_embeddings": 64}, 64),
    ],
)
def test_the_limit_is_that_of_the_table_of_positions(model_type, options, limit):
    model = zoo.load(zoo.tiny(model_type, **options), tokenizer=zoo.word_tokenizer())
    assert model.context == limit
    found = lg.trace(model, ids=[2, 3, 4, 5] * 16 if limit == 64 else [2, 3] * 31,
                     measures=["residual_norm"])  # fmt: skip
    assert found.sizes["token"] == limit
    with pytest.raises(lg.LayergramError, match=f"{limit} tokens"):
        lg.trace(model, ids=[2] * (limit + 1), measures=["residual_norm"])


def test_a_compiled_model_is_read_as_it_was():
    network = llama()
    found, expected = maps(torch.compile(network)), maps(network)
    for name in FORWARD:
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_processor_lends_its_tokenizer():
    tokenizer = tiny_tokenizer()
    assert maps(llama(), tokenizer=SimpleNamespace(tokenizer=tokenizer)).sizes["token"] > 2


def test_a_tokenizer_of_another_kind_is_refused():
    with pytest.raises(lg.LayergramError, match="tokenizer of the kind Tokenizer"):
        maps(llama(), tokenizer=tiny_tokenizer()._tokenizer)


def test_outputs_without_names_are_refused():
    network = llama()
    network.config.return_dict = False
    with pytest.raises(lg.LayergramError, match="return_dict"):
        maps(network)


def test_a_model_without_generation_settings_answers():
    network = llama()
    network.generation_config = None
    model = lg.load(network, tokenizer=tiny_tokenizer())
    run = lg.Run(max_new_tokens=4)
    made = lg.trace(model, prompt="What is 8 + 5?", measures=["residual_norm"], run=run)
    assert (made["part"] == "answer").sum() >= 1


def test_a_model_that_fails_by_itself_is_one_clear_message():
    network = llama()
    network.model.layers[1].mlp.double()
    with pytest.raises(lg.LayergramError, match=r"RuntimeError: .*[Ff]loat"):
        lg.load(network, tokenizer=tiny_tokenizer())
