"""Short digests that tell one set of weights from another, without reading all of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from layergram.models.sources.request import WEIGHTS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BLOCK = 4096
_SAMPLES = 64


def digest_of_files(folder: Path) -> str:
    """``sha256:`` and 16 digits of the weight files: names, sizes, and 64 blocks of each.

    The blocks are spread evenly from the file's first to its last, so the list of tensors at the
    head and the weights themselves both count; a file of any size takes milliseconds.
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with path.open("rb") as stream:
            for step in range(_SAMPLES):
                stream.seek(max(0, size - _BLOCK) * step // (_SAMPLES - 1))
                digest.update(stream.read(_BLOCK))
    return f"sha256:{digest.hexdigest()[:16]}"


def digest_of_model(model: PreTrainedModel) -> str:
    """``sha256:`` and 16 digits of a loaded model: names, shapes, types, and 64 values of each."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.named_parameters()):
        flat = tensor.detach().reshape(-1)
        digest.update(f"{name}:{tuple(tensor.shape)}:{tensor.dtype};".encode())
        picked = torch.linspace(0, max(0, flat.numel() - 1), _SAMPLES, dtype=torch.float64)
        values = flat[picked.long().to(flat.device)] if flat.numel() else flat
        digest.update(values.cpu().to(torch.float64).numpy().tobytes())
    return f"sha256:{digest.hexdigest()[:16]}"
