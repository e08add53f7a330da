"""Untrained tiny models of every causal-LM type that the installed transformers knows.

A model here is small but not trivial: three layers of both kinds where a type has two, sliding
windows shorter than the tests' texts, and every parameter away from where it starts (norms are not
1, biases and sinks not 0, attention not uniform), so that leaving one of them out changes a map.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
)

from layergram.models.load import load
from layergram.models.model import Model

VOCABULARY = 128
LAYERS = 3
WINDOW = 8
MOST_PARAMETERS = 20_000_000

# One size for every spelling of the same thing; a configuration takes those that it has.
SIZES: dict[str, Any] = {
    **dict.fromkeys(["hidden_size", "n_embd", "d_model", "embedding_size", "embed_dim", "dim"], 32),
    **dict.fromkeys(["hidden_size_per_layer_input", "word_embed_proj_dim", "embedding_dim"], 32),
    **dict.fromkeys(["num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth"], LAYERS),
    **dict.fromkeys(["decoder_layers", "num_decoder_layers", "encoder_layers"], LAYERS),
    **dict.fromkeys(["num_encoder_layers", "num_blocks"], LAYERS),
    **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads"], 4),
    **dict.fromkeys(["decoder_attention_heads", "encoder_attention_heads"], 4),
    **dict.fromkeys(["num_encoder_attention_heads", "num_decoder_attention_heads"], 4),
    **dict.fromkeys(["linear_num_key_heads", "linear_num_heads", "linear_num_value_heads"], 4),
    **dict.fromkeys(["num_key_value_heads", "num_kv_heads"], 2),
    **dict.fromkeys(["head_dim", "v_head_dim", "qk_nope_head_dim", "global_head_dim"], 8),
    **dict.fromkeys(["kv_lora_rank", "q_lora_rank", "rotary_dim", "qk_rope_head_dim"], 8),
    **dict.fromkeys(["linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"], 8),
    **dict.fromkeys(["intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff"], 48),
    **dict.fromkeys(["decoder_ffn_dim", "encoder_ffn_dim", "moe_intermediate_size"], 48),
    **dict.fromkeys(["shared_expert_intermediate_size", "intermediate_size_mlp"], 48),
    **dict.fromkeys(["vocab_size", "vocab_size_per_layer_input"], VOCABULARY),
    **dict.fromkeys(["shape_vocab_size", "pronunciation_vocab_size"], VOCABULARY),
    **dict.fromkeys(["hidden_size_global"], 32),
    **dict.fromkeys(["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"], 256),
    **dict.fromkeys(["num_local_experts", "num_experts", "n_routed_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_topk", "num_selected_experts"], 2),
    **dict.fromkeys(["n_group", "topk_group", "n_shared_experts", "num_shared_experts"], 1),
    **dict.fromkeys(["sliding_window", "attention_chunk_size", "window_size"], WINDOW),
    **dict.fromkeys(["index_topk", "index_head_dim", "mamba_chunk_size", "chunk_size"], 8),
    **dict.fromkeys(["index_n_heads"], 16),
    **dict.fromkeys(["bos_token_id", "eos_token_id"], 1),
    "pad_token_id": 0,
}

# What a type needs beside the sizes: a length that goes with another, a kind of layer that three
# layers would not show, a feature that its default leaves off.
BOTH_KINDS = ["linear_attention", "full_attention", "full_attention"]
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8}
DENSE_HEADS = {"head_dim": 8, "num_key_value_heads": 2}
QWEN4_EXP = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 8,
    "indexer_compress_ratio": 2,
}
ADJUSTED: dict[str, dict[str, Any]] = {
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "big_bird": {"attention_type": "original_full"},
    "blt": {"encoder_hash_byte_group_vocab": 64},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"hidden_size": 32, "ffn_hidden_size": 48, "moe_num_experts": 4},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gpt_neo": {"attention_types": [[["global", "local"], 1], [["local"], 1]]},
    "granitemoehybrid": {**MAMBA, "layer_types": BOTH_KINDS},
    "hunyuan_v1_dense": DENSE_HEADS,
    "hunyuan_v1_moe": DENSE_HEADS,
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "full_attention"]},
    "mamba2": {"num_heads": 8, "n_groups": 1, "state_size": 8},
    "ministral": DENSE_HEADS,
    "nemotron": DENSE_HEADS,
    "nemotron_h": {"layer_types": ["linear_attention", "moe", "full_attention"]},
    "qwen4_exp_text": QWEN4_EXP,
    "qwen4_exp": {"text_config": QWEN4_EXP},
    "reformer": {"axial_pos_shape": [16, 16], "axial_pos_embds_dim": [8, 24]},
    "rwkv": {"rescale_every": 2},
    "xmod": {"default_language": "en_XX"},
    "zamba2": {
        "num_hidden_layers": 2,
        "layer_types": ["linear_attention", "hybrid"],
        "layers_block_type": ["linear_attention", "hybrid"],
    },
    "zaya": {"num_experts_per_tok": 1},
}

UNMADE = {
    "dots3_note": "a tiny configuration cannot be made",
    "dots3_note_text": "a tiny configuration cannot be made",
    "gemma3n": "its vision tower needs the package timm",
    "gemma4_assistant": "it drafts for another model and reads that model's cache",
    "gemma4_unified_assistant": "it drafts for another model and reads that model's cache",
    "musicgen": "it is made from the configuration of its audio decoder, not from its own",
    "musicgen_melody": "it is made from the configuration of its audio decoder, not from its own",
}


def shrink(config: PreTrainedConfig) -> dict[str, Any]:
    """The keyword arguments that make a configuration like this one tiny, its parts included."""
    small: dict[str, Any] = {}
    for name, value in SIZES.items():
        old = _given(config, name)
        if isinstance(old, int) and not isinstance(old, bool) and _can_be_set(config, name):
            small[name] = value
    if "kv_lora_rank" in small and "num_key_value_heads" in small:  # keys come from one latent
        small["num_key_value_heads"] = 4
    kinds = list(dict.fromkeys(_given(config, "layer_types") or []))
    if len(kinds) > 1 and _can_be_set(config, "layer_types"):
        small["layer_types"] = [kinds[0], kinds[1], kinds[-1]]
    for name, part in vars(config).items():
        if isinstance(part, PreTrainedConfig):
            small[name] = {**shrink(part), "model_type": part.model_type}
    return small


def _given(config: PreTrainedConfig, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except RuntimeError:  # it differs from layer to layer
        return vars(config).get(name)


def _can_be_set(config: PreTrainedConfig, name: str) -> bool:
    try:
        setattr(copy.copy(config), name, _given(config, name))
    except (AttributeError, NotImplementedError):
        return False
    return True


def tiny(model_type: str, *, attention: str | None = None, **changes: Any) -> Any:
    """An untrained model of this type with three layers, in float32 and evaluation mode.

    A type that is an encoder until it says otherwise is told to be a decoder. ``attention`` names
    the implementation of attention that the model starts with.

    Raises:
        ValueError: saying why there can be no tiny model of this type.
    """
    if model_type in UNMADE:
        raise ValueError(UNMADE[model_type])
    config_class = CONFIG_MAPPING[model_type]
    adjusted = {**ADJUSTED.get(model_type, {}), **changes}
    default = config_class()
    small = shrink(default)
    if getattr(default, "is_decoder", None) is False:  # it reads both ways until told otherwise
        small["is_decoder"] = True
    for name, value in adjusted.items():
        whole = isinstance(value, Mapping) and isinstance(small.get(name), Mapping)
        small[name] = {**small[name], **value} if whole else value
    config = config_class(**small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            size = sum(p.numel() for p in _model(config, attention).parameters())
        if size > MOST_PARAMETERS:
            raise ValueError(f"a tiny configuration still has {size:,} parameters")
        torch.manual_seed(0)
        return liven(_model(config, attention))


def _model(config: PreTrainedConfig, attention: str | None) -> Any:
    options = {} if attention is None else {"attn_implementation": attention}
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, **options).eval()


def liven(model: Any) -> Any:
    """Move every parameter away from where it starts: matrices to unit gain, vectors a little."""
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            gain = max(4, min(parameter.shape[-2:])) ** -0.5
            size = gain if parameter.ndim > 1 else 0.1
            parameter += size * torch.randn(parameter.shape, generator=noise)
    return model


def types() -> list[str]:
    """Every model type that transformers maps to a causal language model."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose words are ``w0`` to ``w127``, numbered so."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words)


def model(model_type: str, **changes: Any) -> Model:
    """A tiny model of this type, found and proved by layergram, with the word tokenizer."""
    return load(tiny(model_type, **changes), tokenizer=word_tokenizer())


def text(ids: Iterable[int]) -> str:
    """The text that the word tokenizer turns into these ids."""
    return " ".join(f"w{i}" for i in ids)
