"""Untrained tiny models of every causal-LM type that the installed transformers knows."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

VOCABULARY = 128

# One size for every spelling of the same thing; a configuration takes those that it has.
SIZES: dict[str, Any] = {
    **dict.fromkeys(["hidden_size", "n_embd", "d_model", "embedding_size", "embed_dim", "dim"], 32),
    **dict.fromkeys(["hidden_size_per_layer_input", "word_embed_proj_dim"], 32),
    **dict.fromkeys(["num_hidden_layers", "n_layer", "n_layers", "num_layers"], 3),
    **dict.fromkeys(["decoder_layers", "num_decoder_layers", "encoder_layers"], 3),
    **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads"], 4),
    **dict.fromkeys(["decoder_attention_heads", "encoder_attention_heads"], 4),
    **dict.fromkeys(["num_key_value_heads", "num_kv_heads"], 2),
    **dict.fromkeys(["head_dim", "v_head_dim", "qk_nope_head_dim", "global_head_dim"], 8),
    **dict.fromkeys(["kv_lora_rank", "q_lora_rank", "rotary_dim", "qk_rope_head_dim"], 8),
    **dict.fromkeys(["intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff"], 48),
    **dict.fromkeys(["decoder_ffn_dim", "encoder_ffn_dim", "moe_intermediate_size"], 48),
    **dict.fromkeys(["shared_expert_intermediate_size", "intermediate_size_mlp"], 48),
    **dict.fromkeys(["vocab_size", "vocab_size_per_layer_input"], VOCABULARY),
    **dict.fromkeys(["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"], 256),
    **dict.fromkeys(["num_local_experts", "num_experts", "n_routed_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_topk", "num_selected_experts"], 2),
    **dict.fromkeys(["n_group", "topk_group", "n_shared_experts", "num_shared_experts"], 1),
    **dict.fromkeys(["sliding_window", "attention_chunk_size", "window_size"], 8),
    **dict.fromkeys(["pad_token_id", "bos_token_id", "eos_token_id"], 1),
}


def shrink(config: Any) -> dict[str, Any]:
    """The keyword arguments that make a configuration like this one tiny."""
    small = {}
    for name, value in SIZES.items():
        old = getattr(config, name, None)
        if isinstance(old, int) and not isinstance(old, bool):
            small[name] = value
    return small


def tiny(model_type: str, **changes: Any) -> Any:
    """An untrained model of this type with three layers, in float32 and evaluation mode."""
    config_class = CONFIG_MAPPING[model_type]
    default = config_class()
    small = shrink(default)
    nested = getattr(default, "text_config", None)
    if nested is not None:
        small["text_config"] = {**shrink(nested), **changes}
    config = config_class(**{**small, **changes})
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def types() -> list[str]:
    """Every model type that transformers maps to a causal language model."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
