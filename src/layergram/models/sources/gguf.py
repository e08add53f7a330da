"""GGUF files: is the file whole, and its conversion into a folder that loads in a second."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from layergram.errors import LayergramError
from layergram.models.sources.cache import built_once
from layergram.models.sources.quiet import quiet

# Part of the cached folder's name: raise it when the conversion changes.
CONVERSION = 1
MANIFEST = "layergram.json"
ALLOWED = "a whole GGUF file of version 2 or 3"
INSTEAD = "use the model's own folder or hub id in place of the GGUF file"

# Value types of GGUF metadata (the format's specification, ggml/docs/gguf.md): size in bytes of
# the plain ones; strings and arrays carry their length.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32, _STRING, _ARRAY = 4, 8, 9
_LONGEST_NAME = 65_535
# Where a file keeps the scaling of its rotary positions.
_SCALING = ("rope.scaling.type", "rope.scaling.factor", "rope_freqs.weight", "rope_factors_long")


@dataclass(frozen=True)
class Header:
    """What the head of a GGUF file says.

    Attributes:
        expected_bytes: how long the file must be to hold its last tensor.
        weights: how many numbers its tensors hold.
        names: the names of all metadata values and tensors.
    """

    expected_bytes: int
    weights: int
    names: frozenset[str]


class _CutShort(Exception):
    """The file ends inside its own header."""


def check_gguf(path: Path) -> Header:
    """Refuse a file that is not GGUF, or is cut short, without loading it.

    Only the header is read: it lists every tensor with its shape, type and place.

    Raises:
        LayergramError: naming both sizes for a file that ends before its last tensor.
    """
    asked = f"the GGUF file '{path}'"
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise LayergramError(
                    asked,
                    got="a file that does not begin with 'GGUF'",
                    allowed=ALLOWED,
                    do="check that the file is a model, and not a web page or a pointer to one",
                )
            header = _read_header(stream, asked)
    except (_CutShort, struct.error, OverflowError):
        raise _truncated(asked, size, "it ends inside its header") from None
    except OSError as error:
        raise LayergramError(
            asked, got=str(error.strerror or error), do="check the file and its permissions"
        ) from error
    if size < header.expected_bytes:
        raise _truncated(asked, size, f"its header asks for {header.expected_bytes:,} bytes")
    return header


def _truncated(asked: str, size: int, what: str) -> LayergramError:
    return LayergramError(
        asked,
        got=f"a truncated file: it has {size:,} bytes, {what}",
        allowed=ALLOWED,
        do="download or copy the file again",
    )


def _read_header(stream: BinaryIO, asked: str) -> Header:
    from gguf.constants import GGML_QUANT_SIZES

    blocks = {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}
    (version,) = _take(stream, "<I")
    if version not in (2, 3):
        raise LayergramError(asked, got=f"GGUF version {version}", allowed=ALLOWED)
    tensors, entries = _take(stream, "<QQ")
    alignment = 32
    names = set()
    for _ in range(entries):
        key = _take_name(stream)
        names.add(key)
        (kind,) = _take(stream, "<I")
        if key == "general.alignment" and kind == _UINT32:
            (alignment,) = _take(stream, "<I")
        else:
            _skip_value(stream, kind, asked)
    end = weights = 0
    for _ in range(tensors):
        name = _take_name(stream)
        names.add(name)
        (axes,) = _take(stream, "<I")
        shape = _take(stream, f"<{axes}Q") if axes <= 8 else ()
        kind, offset = _take(stream, "<IQ")
        if kind not in blocks:
            raise LayergramError(
                asked,
                got=f"tensor '{name}' of the unknown type {kind}",
                allowed=ALLOWED,
                do="check the file, or update the package gguf",
            )
        block, block_bytes = blocks[kind]
        end = max(end, offset + prod(shape) // block * block_bytes)
        weights += prod(shape)
    alignment = max(alignment, 1)
    data = -(-stream.tell() // alignment) * alignment
    return Header(expected_bytes=data + end, weights=weights, names=frozenset(names))


def _take(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _take_name(stream: BinaryIO) -> str:
    (length,) = _take(stream, "<Q")
    value = stream.read(length) if length <= _LONGEST_NAME else b""
    if len(value) < length:
        raise _CutShort
    return value.decode("utf-8", "replace")


def _skip_value(stream: BinaryIO, kind: int, asked: str) -> None:
    """Move past one metadata value."""
    if kind in _SIZES:
        stream.seek(_SIZES[kind], os.SEEK_CUR)
    elif kind == _STRING:
        stream.seek(_take(stream, "<Q")[0], os.SEEK_CUR)
    elif kind == _ARRAY:
        inner, length = _take(stream, "<IQ")
        if inner in _SIZES:
            stream.seek(_SIZES[inner] * length, os.SEEK_CUR)
        else:
            for _ in range(length):
                _skip_value(stream, inner, asked)
    else:
        raise LayergramError(
            asked, got=f"a metadata value of the unknown type {kind}", allowed=ALLOWED
        )


def converted(path: Path) -> Path:
    """The cached folder with the model of a GGUF file, converted on first use.

    The cache is keyed by the file's content, so a moved or renamed file is not converted twice.

    Raises:
        LayergramError: for a file that is not GGUF, is cut short, or holds no model that
            transformers can read whole.
    """
    needs = check_gguf(path).weights * 4
    digest = sha256(path)

    def build(result: Path, work: Path) -> None:
        convert(path, result, digest=digest)

    return built_once(f"gguf-{digest[:16]}-{CONVERSION}", build, needs=needs)


def convert(path: Path, folder: Path, *, digest: str) -> None:
    """Write the model of a GGUF file into a folder: float32 weights, tokenizer, and a manifest.

    Raises:
        LayergramError: where transformers cannot read the file, or reads a part of it only.
    """
    header = check_gguf(path)
    model, tokenizer, missing = _read_with_transformers(path)
    lost = [f"weights for {name}" for name in missing]
    rope = getattr(model.config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") == "default":
        lost += [name for name in sorted(header.names) if any(mark in name for mark in _SCALING)]
    if lost:
        raise LayergramError(
            f"the GGUF file '{path}'",
            got=f"a model that transformers cannot read whole; it misses {', '.join(lost[:3])}",
            allowed=ALLOWED,
            do=INSTEAD,
        )
    # The weights are plain float32 now; with the mark of their origin transformers would refuse
    # to save them.
    model.hf_quantizer = None
    model.config.__dict__.pop("quantization_config", None)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    manifest = {"file": path.name, "sha256": digest, "conversion": CONVERSION}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _read_with_transformers(path: Path) -> tuple[Any, Any, list[str]]:
    """Model and tokenizer of a GGUF file, and the model's weights that the file does not have."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    try:
        # the bar of the dequantisation has no switch, so it goes to a stream that nobody reads
        with quiet(), redirect_stderr(StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **place)
            model, info = AutoModelForCausalLM.from_pretrained(
                path.parent, dtype=torch.float32, output_loading_info=True, **place
            )
    except MemoryError:
        raise
    except Exception as error:
        raise LayergramError(
            f"the GGUF file '{path}'",
            got=f"transformers cannot read it: {' '.join(str(error).split())[:300]}",
            allowed="a GGUF file of an architecture that transformers can read",
            do=INSTEAD,
        ) from error
    return model, tokenizer, sorted(info["missing_keys"])


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
