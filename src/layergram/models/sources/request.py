"""What can be refused about a model before torch is imported: names, files, devices, types."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layergram.errors import LayergramError, unknown_name
from layergram.models.sources import embedded
from layergram.models.sources.gguf import check_gguf

DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = "auto, cpu, cuda, cuda:0 (cuda:1, … for other GPUs), mps"
ALLOWED = (
    f"'{embedded.NAME}', a hub id like 'org/name', a folder with config.json, a .gguf file, "
    "or a transformers model"
)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
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
    near = difflib.get_close_matches(name, [embedded.NAME], cutoff=0.5)
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


def _check_folder(folder: Path, asked: str, *, needs_tokenizer: bool) -> None:
    """A model's folder has a config, weights, and a tokenizer unless one is given."""
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
