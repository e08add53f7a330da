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
from typing import BinaryIO

from layergram.errors import LayergramError
from layergram.models.cache import built_once
from layergram.models.quiet import quiet

# Part of the cached folder's name: raise it when the conversion changes.
CONVERSION = 1
MANIFEST = "layergram.json"
ALLOWED = "a whole GGUF file of version 2 or 3"

# Value types of GGUF metadata (the format's specification, ggml/docs/gguf.md): size in bytes of
# the plain ones; strings and arrays carry their length.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32, _STRING, _ARRAY = 4, 8, 9


@dataclass(frozen=True)
class Header:
    """What the head of a GGUF file says: how long the file must be, and how many weights it has."""

    expected_bytes: int
    weights: int


class _CutShort(Exception):
    """The file ends inside its own header."""


def check_gguf(path: Path) -> Header:
    """Refuse a file that is not GGUF, or is cut short, without loading it.

    Only the header is read: it lists every tensor with its shape, type and place.

    Raises:
        LayergramError: naming both sizes for a file that ends before its last tensor.
    """
    asked = f"the GGUF file '{path}'"
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise LayergramError(
                asked,
                got="a file that does not begin with 'GGUF'",
                allowed=ALLOWED,
                do="check that the file is a model, and not a web page or a pointer to one",
            )
        try:
            header = _read_header(stream, asked)
        except (_CutShort, struct.error, OverflowError):
            raise _truncated(asked, size, "the file ends inside its header") from None
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
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    (version,) = _take(stream, "<I")
    if version not in (2, 3):
        raise LayergramError(asked, got=f"GGUF version {version}", allowed=ALLOWED)
    tensors, entries = _take(stream, "<QQ")
    alignment = 32
    for _ in range(entries):
        key = _take_bytes(stream)
        (kind,) = _take(stream, "<I")
        if key == b"general.alignment" and kind == _UINT32:
            (alignment,) = _take(stream, "<I")
        else:
            _skip_value(stream, kind, asked)
    end = weights = 0
    for _ in range(tensors):
        name = _take_bytes(stream).decode("utf-8", "replace")
        (axes,) = _take(stream, "<I")
        shape = _take(stream, f"<{axes}Q") if axes <= 8 else ()
        kind, offset = _take(stream, "<IQ")
        if kind not in GGMLQuantizationType:
            raise LayergramError(
                asked,
                got=f"tensor '{name}' of the unknown type {kind}",
                allowed=ALLOWED,
                do="check the file, or update the package gguf",
            )
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        end = max(end, offset + prod(shape) // block * block_bytes)
        weights += prod(shape)
    data = -(-stream.tell() // alignment) * alignment
    return Header(expected_bytes=data + end, weights=weights)


def _take(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _take_bytes(stream: BinaryIO) -> bytes:
    (length,) = _take(stream, "<Q")
    value = stream.read(length)
    if len(value) < length:
        raise _CutShort
    return value


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
            transformers can read.
    """
    header = check_gguf(path)
    digest = sha256(path)

    def build(result: Path, work: Path) -> None:
        convert(path, result, digest=digest)

    return built_once(f"gguf-{digest[:16]}-{CONVERSION}", build, needs=header.weights * 4)


def convert(path: Path, folder: Path, *, digest: str) -> None:
    """Write the model of a GGUF file into a folder: float32 weights, tokenizer, and a manifest."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked = f"the GGUF file '{path}'"
    try:
        # the bar of the dequantisation has no switch, so it goes to a stream that nobody reads
        with quiet(), redirect_stderr(StringIO()):
            place = {"gguf_file": path.name, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **place)
            model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place)
            # The weights are plain float32 now; with the mark of their origin transformers
            # would refuse to save them.
            model.hf_quantizer = None
            model.config.__dict__.pop("quantization_config", None)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise LayergramError(
            asked,
            got=f"transformers cannot convert it: {type(error).__name__}: {str(error)[:300]}",
            allowed="a GGUF file of an architecture that transformers can read",
            do="use the model's own folder or hub id in place of the GGUF file",
        ) from error
    manifest = {"file": path.name, "sha256": digest, "conversion": CONVERSION}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
