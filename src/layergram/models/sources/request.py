"""What a person may name as a model, and what is refused before and after it is opened."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from layergram.errors import NEAR, LayergramError, unknown_name
from layergram.models.sources import embedded
from layergram.models.sources.gguf import check_gguf

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = "auto, cpu, cuda, cuda:0 (cuda:1, … for other GPUs), mps"
ALLOWED = (
    f"'{embedded.NAME}', a hub id like 'org/name', a folder with config.json, a .gguf file, "
    "or a transformers model"
)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
LFS_POINTER = b"version https://git-lfs"
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "tekken.json", "merges.txt")


@dataclass(frozen=True)
class Request:
    """Which kind of source a model was asked from, and where that is."""

    kind: Literal["embedded", "gguf", "folder", "hub", "object"]
    where: Any
    asked: str


def check_request(
    model: Any = embedded.NAME,
    *,
    device: str = "auto",
    dtype: str = "auto",
    tokenizer: Any = None,
    revision: str | None = None,
) -> Request:
    """Refuse what is wrong with a request for a model, without loading anything.

    Unknown names, missing files, folders without a model or tokenizer, truncated GGUF files, and
    devices or types that do not exist by that name are found here, in milliseconds and without
    torch. The arguments are those of :func:`layergram.models.sources.open.open_source`.

    Raises:
        LayergramError: saying what was asked, what is there, what is allowed and what to do.

    Example:
        >>> check_request("smollm2").kind
        'embedded'
        >>> check_request("smolm2")
        Traceback (most recent call last):
        layergram.errors.LayergramError: Asked for: the model 'smolm2'
        Got: no model, file or folder of that name
        Allowed: 'smollm2', a hub id like 'org/name', a folder with config.json, a .gguf file,
            or a transformers model
        Do: did you mean 'smollm2'?
    """
    if not _DEVICE.fullmatch(str(device)):
        raise LayergramError(
            f"the device '{device}'",
            got="no device of that name",
            allowed=DEVICES,
            do="use 'cuda' for an NVIDIA GPU, or leave it at 'auto'",
        )
    if dtype not in DTYPES:
        raise unknown_name("dtype", str(dtype), DTYPES)
    request = _classify(model)
    if request.kind == "object" and (device, dtype) != ("auto", "auto"):
        raise LayergramError(
            f"{request.asked} on device '{device}' in dtype '{dtype}'",
            got="a model that is loaded already, and is used as it is",
            allowed="device 'auto' and dtype 'auto'",
            do="load it in that type and move it to that device yourself",
        )
    if revision is not None and request.kind != "hub":
        raise LayergramError(
            f"revision '{revision}' of {request.asked}",
            got="a model that is not from the hub, so it has no revisions",
            allowed="a revision of a hub id",
            do="leave the revision out",
        )
    if request.kind == "folder":
        _check_folder(request.where, request.asked, needs_tokenizer=tokenizer is None)
    if request.kind == "gguf":
        check_gguf(request.where)
    return request


def _classify(model: Any) -> Request:
    if not isinstance(model, str | Path):
        return _classify_object(model)
    name = str(model)
    asked = f"the model '{name}'"
    if name == embedded.NAME:
        return Request("embedded", None, asked)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return Request("folder", path, asked)
    if name and path.exists():
        if path.suffix.lower() == ".gguf":
            return Request("gguf", path, asked)
        raise LayergramError(
            asked,
            got=f"a file with the suffix '{path.suffix}'",
            allowed=ALLOWED,
            do="name the folder that the file is in, if it holds a whole model",
        )
    if isinstance(model, str) and _HUB_ID.fullmatch(name) and path.suffix.lower() != ".gguf":
        return Request("hub", name, asked)
    near = difflib.get_close_matches(name, [embedded.NAME], cutoff=NEAR)
    do = (
        f"did you mean '{near[0]}'?"
        if near
        else "check the name or the path; a hub id has an organisation: 'org/name'"
    )
    raise LayergramError(asked, got="no model, file or folder of that name", allowed=ALLOWED, do=do)


def _classify_object(model: Any) -> Request:
    kind = type(model).__name__
    if callable(getattr(model, "forward", None)) and hasattr(model, "config"):
        return Request("object", model, f"the loaded model {kind}")
    raise LayergramError(f"a model from a {kind}", got=repr(model)[:100], allowed=ALLOWED)


def unread_adapter(asked: str, name: str) -> LayergramError:
    """The error for an adapter beside a model or alone: without peft nothing would read it."""
    return LayergramError(
        asked,
        got=f"an adapter ({name}), which would not be read",
        allowed="the weights of one whole model",
        do="merge it first: peft.AutoPeftModelForCausalLM.from_pretrained(…).merge_and_unload()"
        ".save_pretrained(folder)",
    )


def _check_folder(folder: Path, asked: str, *, needs_tokenizer: bool) -> None:
    """A model's folder has a config, weights, and a tokenizer unless one is given.

    Files that would not be read are refused: the adapter of another model, and the text that
    git-LFS leaves in the place of weights.
    """
    adapter = next((name for name in ADAPTERS if (folder / name).is_file()), "")
    if adapter:
        raise unread_adapter(asked, adapter)
    for path in sorted(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        with path.open("rb") as stream:
            if stream.read(len(LFS_POINTER)) == LFS_POINTER:
                raise LayergramError(
                    asked,
                    got=f"a pointer of git-LFS in the place of '{path.name}'",
                    allowed="the weights themselves",
                    do="run git lfs pull in that folder",
                )
    lacking = ""
    if not (folder / "config.json").is_file():
        lacking = "config.json"
    elif not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        lacking = f"weights ({' or '.join(WEIGHTS)})"
    elif needs_tokenizer and not any(any(folder.glob(pattern)) for pattern in _TOKENIZERS):
        lacking = "tokenizer (tokenizer.json, tokenizer.model or vocab.json)"
    if not lacking:
        return
    names = sorted(entry.name for entry in folder.iterdir())
    there = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    raise LayergramError(
        asked,
        got=f"a folder without {lacking}; in it: {there or 'nothing'}",
        allowed="a folder as save_pretrained makes it: config.json, weights and tokenizer",
        do="give the tokenizer, or save it into the folder with its save_pretrained"
        if lacking.startswith("tokenizer")
        else "check the path, or save the whole model there with its save_pretrained",
    )


CAUSAL_MODEL = "a causal language model: one that predicts the next token from those before it"
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
            asked, got=f"{name} ({config.model_type}), {reason}", allowed=CAUSAL_MODEL, do=DO
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
            asked, got=f"{model.config.model_type}, {reason}", allowed=CAUSAL_MODEL, do=DO
        )
    if model.get_output_embeddings() is None:
        raise LayergramError(
            asked,
            got="a model without an unembedding (language-model head)",
            allowed=CAUSAL_MODEL,
            do="load it with transformers.AutoModelForCausalLM",
        )
    if not getattr(model.config, "return_dict", True):
        raise LayergramError(
            asked,
            got="a configuration with return_dict=False",
            allowed="a model that returns its outputs by name",
            do="set model.config.return_dict = True",
        )
    training = [name or "the model" for name, part in model.named_modules() if part.training]
    if training:
        more = f" and {len(training) - 3} more" if len(training) > 3 else ""
        raise LayergramError(
            asked,
            got=f"training mode, which may drop units at random: {', '.join(training[:3])}{more}",
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
