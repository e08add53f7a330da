"""Is this a model whose inside can be mapped: a causal language model with finite weights?"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from layergram.errors import LayergramError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

ALLOWED = "a causal language model: one that predicts the next token from those before it"
DO = "name a decoder such as 'smollm2', or a model whose architecture ends with ForCausalLM"
_OTHER_TASKS = (
    "ForMaskedLM",
    "ForPreTraining",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
)


def check_architecture(config: PreTrainedConfig, asked: str) -> None:
    """Refuse, by its configuration alone, what is not a causal language model.

    transformers would load some encoders as if they were decoders, so its word is not enough.

    Raises:
        LayergramError: for an encoder, an encoder-decoder, another task's head, or an architecture
            without a causal language model in transformers.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    name = (config.architectures or [type(config).__name__])[0]
    reason = _not_causal(config)
    if not reason and name.endswith(_OTHER_TASKS):
        reason = "a model for another task"
    if not reason and type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        reason = "which transformers does not know as a causal language model"
    if reason:
        raise LayergramError(
            asked, got=f"{name} ({config.model_type}), {reason}", allowed=ALLOWED, do=DO
        )


def _not_causal(config: PreTrainedConfig) -> str:
    """Why a configuration does not read from left to right, or nothing.

    A type that has both a masked and a causal head is an encoder until it says ``is_decoder``.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_MASKED_LM_MAPPING,
    )

    if getattr(config, "is_encoder_decoder", False):
        return "an encoder-decoder"
    masked = type(config) in MODEL_FOR_MASKED_LM_MAPPING
    if masked and not getattr(config, "is_decoder", False):
        return "an encoder"
    if masked and type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return "an encoder"
    return ""


def check_loaded(model: PreTrainedModel, asked: str) -> None:
    """Refuse a loaded model that is not causal, has no unembedding, or would drop out at random.

    Raises:
        LayergramError: saying which of these it is.
    """
    reason = _not_causal(model.config)
    if reason:
        raise LayergramError(
            asked, got=f"{model.config.model_type}, {reason}", allowed=ALLOWED, do=DO
        )
    if model.get_output_embeddings() is None:
        raise LayergramError(
            asked,
            got="a model without an unembedding (language-model head)",
            allowed=ALLOWED,
            do="load it with transformers.AutoModelForCausalLM",
        )
    if model.training:
        raise LayergramError(
            asked,
            got="a model in training mode, which may drop out units at random",
            allowed="a model in eval mode",
            do="call model.eval() first",
        )


def check_weights(model: PreTrainedModel, asked: str) -> None:
    """Refuse NaN and infinity in any weight or buffer, naming the tensors and how many values.

    Raises:
        LayergramError: naming up to three tensors.
    """
    import torch

    found = []
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if tensor.is_meta:
            raise LayergramError(
                asked, got=f"'{name}' has no values (device 'meta')", do="load the weights first"
            )
        # One sum per tensor is ten times faster than a look at every value; any value that is
        # not finite makes the sum not finite.
        if tensor.is_floating_point() and not torch.isfinite(tensor.sum(dtype=torch.float32)):
            nan, inf = int(tensor.isnan().sum()), int(tensor.isinf().sum())
            if nan or inf:
                found.append(f"'{name}' ({nan:,} NaN, {inf:,} infinite of {tensor.numel():,})")
    if found:
        more = f" and {len(found) - 3} more tensors" if len(found) > 3 else ""
        raise LayergramError(
            asked,
            got=f"weights that are not finite: {', '.join(found[:3])}{more}",
            allowed="finite weights",
            do="get the checkpoint again, or load it in the type that it was trained in",
        )
