"""Where a model comes from: a name, folder, file or object becomes model and tokenizer."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from layergram.errors import LayergramError
from layergram.models.sources import embedded, gguf
from layergram.models.sources.digest import digest_of_files, digest_of_model
from layergram.models.sources.quiet import quiet, status
from layergram.models.sources.request import (
    ALLOWED,
    Request,
    check_architecture,
    check_loaded,
    check_request,
    check_weights,
    unread_adapter,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
__all__ = ["Source", "check_request", "open_source"]


@dataclass(frozen=True)
class Source:
    """A causal language model, ready to be read.

    Attributes:
        model: the model in eval mode. Unless the caller brought it, its weights want no gradients.
        tokenizer: its tokenizer.
        name: the model as it was asked for.
        revision: the hub's commit, or ``sha256:`` and 16 hexadecimal digits of its weights.
        from_files: whether it is what its revision says, and not changed by the caller since.
        place: the hub id or folder that it was loaded from; empty for an object.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str
    from_files: bool = True
    place: str = ""


def open_source(
    model: str | Path | PreTrainedModel = embedded.NAME,
    *,
    tokenizer: str | Path | PreTrainedTokenizerBase | None = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Source:
    """A model with its tokenizer, from wherever it was asked.

    Args:
        model: ``smollm2`` (the embedded model), a hub id ``org/name``, a folder as
            ``save_pretrained`` makes it, a ``.gguf`` file (converted to float32 on first use and
            kept in the cache folder), or a loaded transformers model, which is used as it is.
        tokenizer: a tokenizer, or the folder or hub id of one; by default the model's own.
        device: ``auto`` is the first CUDA GPU if there is one, else the CPU; ``mps`` is used only
            when asked for.
        dtype: ``auto`` is float32 on the CPU, and the checkpoint's own type on other devices.
        revision: branch, tag or commit of a hub id.

    Raises:
        LayergramError: where there is no such model, or it is not a causal language model, or it
            lacks weights or has NaN in them, or the device is not there.
    """
    request = check_request(
        model, device=device, dtype=dtype, tokenizer=tokenizer, revision=revision
    )
    if request.kind == "object":
        return _from_object(request, tokenizer)
    target = _find_device(device)
    place = _place(request)
    options = _options(place, revision)
    with status(f"loading {request.asked}"):
        if request.kind == "hub":
            _refuse_adapter(request.asked, place, options)
        config = _load_config(request, place, options)
        check_architecture(config, request.asked)
        commit = getattr(config, "_commit_hash", None)
        if commit and "revision" in options:
            options["revision"] = commit
        if tokenizer is None:
            chosen = _load_tokenizer(request.asked, place, options)
        else:
            chosen = _given_tokenizer(request.asked, tokenizer)
        loaded = _load_weights(request, place, config, _dtype_for(dtype, target), options)
        check_weights(loaded, request.asked)
    loaded.to(target).eval().requires_grad_(False)
    found = commit if request.kind == "hub" and commit else _revision_of(Path(place))
    return Source(model=loaded, tokenizer=chosen, name=str(model), revision=found, place=str(place))


def _from_object(request: Request, tokenizer: Any) -> Source:
    # torch.compile wraps a model: what is compiled cannot be looked into, so its own is read
    model = getattr(request.where, "_orig_mod", request.where)
    check_loaded(model, request.asked)
    check_weights(model, request.asked)
    known = str(getattr(model.config, "_name_or_path", "") or "")
    if tokenizer is None:
        if not known:
            raise LayergramError(
                request.asked,
                got="no tokenizer, and a model that does not know where it came from",
                allowed="a model with its tokenizer",
                do="give the tokenizer as well: tokenizer=AutoTokenizer.from_pretrained(…)",
            )
        tokenizer = known
    chosen = _given_tokenizer(request.asked, tokenizer)
    name = known or type(model).__name__
    return Source(model, chosen, name, digest_of_model(model), from_files=False)


def _place(request: Request) -> str:
    """The hub id or folder that transformers is to load from."""
    if request.kind == "embedded":
        return str(embedded.smollm2())
    if request.kind == "gguf":
        with status(f"{request.asked}: converting it (only the first time)"):
            return str(gguf.converted(request.where))
    return str(request.where)


def _options(place: str, revision: str | None = None) -> dict[str, Any]:
    """How transformers is to load from there: a folder never asks the network."""
    if Path(place).is_dir():
        return {"local_files_only": True}
    return {"revision": revision or "main", "local_files_only": not _online()}


def _online() -> bool:
    """Whether the hub answers; without this look transformers would retry for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies().get("https"):
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def _refuse_adapter(asked: str, place: str, options: dict[str, Any]) -> None:
    from transformers.utils.peft_utils import find_adapter_config_file

    with suppress(OSError), quiet():  # what cannot be reached is said when the model is loaded
        if find_adapter_config_file(place, **options) is not None:
            raise unread_adapter(asked, "adapter_config.json")


def _load_config(request: Request, place: str, options: dict[str, Any]) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        with quiet():
            return AutoConfig.from_pretrained(place, trust_remote_code=False, **options)
    except Exception as error:
        raise _not_loaded(request.asked, "its configuration", error, options) from error


def _given_tokenizer(asked: str, tokenizer: Any) -> PreTrainedTokenizerBase:
    """The tokenizer that the caller gave: itself, of a processor, or from a folder or hub id."""
    if not isinstance(tokenizer, str | Path):
        if not hasattr(tokenizer, "convert_ids_to_tokens"):
            tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # a processor has one
        if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
            raise LayergramError(
                asked,
                got=f"a tokenizer of the kind {type(tokenizer).__name__}",
                allowed="a tokenizer of transformers, or the folder or hub id of one",
                do="load it with transformers.AutoTokenizer, or wrap it in PreTrainedTokenizerFast",
            )
        return tokenizer
    place = str(tokenizer)
    return _load_tokenizer(asked, place, _options(place))


def _load_tokenizer(asked: str, place: str, options: dict[str, Any]) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
    except Exception as error:
        raise _not_loaded(asked, f"the tokenizer in '{place}'", error, options) from error


def _load_weights(
    request: Request, place: str, config: Any, dtype: Any, options: dict[str, Any]
) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            model, info = AutoModelForCausalLM.from_pretrained(
                place,
                config=config,
                dtype=dtype,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
            )
    except Exception as error:
        raise _not_loaded(request.asked, "its weights", error, options) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise LayergramError(
            request.asked,
            got=f"no weights for {len(missing)} tensors of {type(model).__name__}, "
            f"such as {', '.join(missing[:3])}",
            allowed="a checkpoint with all weights of a causal language model",
            do="check that it was saved whole, and with its language-model head",
        )
    _check_surplus(request.asked, model, sorted(info["unexpected_keys"]))
    return model


def _check_surplus(asked: str, model: PreTrainedModel, surplus: list[str]) -> None:
    """Refuse a checkpoint with more layers than its configuration; warn of other unread tensors."""
    read = {_NUMBER.sub("#", name) for name in model.state_dict()}
    layers = [name for name in surplus if "#" in (kind := _NUMBER.sub("#", name)) and kind in read]
    if layers:
        raise LayergramError(
            asked,
            got=f"weights of further layers that its configuration leaves out, such as {layers[0]}",
            allowed="a checkpoint whose layers are all read",
            do="check the number of layers in config.json",
        )
    if surplus:
        warnings.warn(
            f"{asked}: {len(surplus)} tensors of the checkpoint are not part of "
            f"{type(model).__name__} and were not read, such as {', '.join(surplus[:3])}",
            stacklevel=2,
        )


def _not_loaded(asked: str, part: str, error: Exception, options: dict[str, Any]) -> LayergramError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    do = "check that the files are whole, and that this transformers knows the architecture"
    if "revision" in options:
        do = "check the id, its revision and your access to it"
        if options["local_files_only"]:
            reason = "the hub cannot be reached, and the local hub cache does not have it whole"
            do = "connect to the internet, or name a folder or file that is here"
    return LayergramError(
        asked, got=f"{part} could not be loaded: {reason}", allowed=ALLOWED, do=do
    )


def _find_device(asked: str) -> torch.device:
    import torch

    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if asked not in there and not (asked == "cuda" and "cuda:0" in there):
        raise LayergramError(
            f"the device '{asked}'",
            got="no such device on this machine",
            allowed=", ".join(["auto", *there]),
            do="choose one of these"
            if len(there) > 1
            else "use the CPU, or install a torch that knows your GPU",
        )
    return torch.device(asked)


def _dtype_for(asked: str, device: torch.device) -> Any:
    import torch

    if asked == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return getattr(torch, asked)


def _revision_of(folder: Path) -> str:
    manifest = folder / gguf.MANIFEST
    if manifest.is_file():
        digest = json.loads(manifest.read_text(encoding="utf-8"))["sha256"]
        return f"sha256:{digest[:16]}"
    return digest_of_files(folder)
