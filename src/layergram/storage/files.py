"""Files that are on the disk whole or not at all, and checksums of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError
from layergram.maps.files import PARTIAL


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    Raises:
        LayergramError: if the file cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise LayergramError(
            f"to write '{path}'",
            got=str(error.strerror or error),
            do="make room or get the right to write there, and start again; "
            "everything finished so far is kept",
            exit_code=1,
        ) from None


def json_bytes(plain: Any, *, indent: int | None = None) -> bytes:
    """Plain data as JSON in UTF-8, with a newline at the end."""
    return json.dumps(plain, ensure_ascii=False, indent=indent).encode() + b"\n"


def checksum(data: bytes) -> str:
    """``sha256:`` and all 64 digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def checksum_of_file(path: Path) -> str:
    """As :func:`checksum`, reading the file piece by piece."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def digest_of(plain: Any) -> str:
    """``sha256:`` and 16 digits of plain data."""
    return f"sha256:{hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]}"
