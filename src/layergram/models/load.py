"""Load a model by its name: find its parts and check what maps of it take for granted."""

from __future__ import annotations

from typing import Any

from layergram.models.checks import check_model, require
from layergram.models.locate import locate_parts, sample_ids
from layergram.models.model import Model
from layergram.models.sources.open import open_source


def load(
    model: Any = "smollm2",
    *,
    tokenizer: Any = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Model:
    """A causal language model, found by its name and proved to be understood.

    Args:
        model: ``"smollm2"`` (the embedded default), a hub id, a folder, a ``.gguf`` file, or a
            transformers model.
        tokenizer: of a transformers model that does not say where its own is.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:0"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"bfloat16"``, ``"float16"``.
        revision: of a hub model.

    Raises:
        LayergramError: if there is no such model, it is no causal language model, or one of the
            proofs fails (:mod:`layergram.models.checks`).
    """
    loaded = examine(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    require(loaded.proofs, loaded.name)
    return loaded


def examine(
    model: Any = "smollm2",
    *,
    tokenizer: Any = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Model:
    """The same as :func:`load`, but a model with a failed proof is returned all the same."""
    source = open_source(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    ids = sample_ids(source.model)
    parts = locate_parts(source.model, ids, name=source.name)
    proofs = check_model(source.model, parts, ids)
    return Model(source.model, source.tokenizer, source.name, source.revision, parts, proofs)
