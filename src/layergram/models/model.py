"""A loaded model, with its parts and what is proved about it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from layergram.models.attribution import Attribution, attribution_of
from layergram.models.checks import Proof, prove, require
from layergram.models.locate import Anatomy, dissect
from layergram.models.sources.open import open_source

PROBE_TOKENS = 12


@dataclass(frozen=True)
class Model:
    """A causal language model whose parts are known and proved.

    Attributes:
        network: the transformers model, in evaluation mode.
        tokenizer: its tokenizer.
        name: the model as it was asked for.
        revision: a commit, or a digest of the weights.
        anatomy: where its parts are.
        proofs: what was tried out on it.
    """

    network: Any
    tokenizer: Any
    name: str
    revision: str
    anatomy: Anatomy
    proofs: tuple[Proof, ...]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.anatomy.layers)

    @property
    def has_attention(self) -> bool:
        """Whether any layer shows attention weights."""
        return any(self.anatomy.heads)

    @property
    def chunks(self) -> bool:
        """Whether a text can be read in chunks against the cache."""
        return any(p.name == "chunks" and p.status == "proved" for p in self.proofs)

    @property
    def context(self) -> int | None:
        """Largest number of tokens the model was made for, where its configuration says it."""
        config = self.network.config.get_text_config()
        for key in ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"):
            if isinstance(length := getattr(config, key, None), int):
                return length
        return None

    @cached_property
    def keeps_logits(self) -> bool:
        """Whether the forward pass can leave out the logits of all positions but the last."""
        return "logits_to_keep" in inspect.signature(self.network.forward).parameters

    @cached_property
    def attribution(self) -> Attribution:
        """The direct way from every head to the logits.

        Raises:
            LayergramError: with the reason, where the model is built another way.
        """
        ids = _probe_ids(self.network)
        return attribution_of(self.network, self.anatomy, ids, name=self.name)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are, and so where token ids must be."""
        return self.network.get_input_embeddings().weight.device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the forward pass."""
        return self.anatomy.readout.unembedding.weight.dtype

    @property
    def model_type(self) -> str:
        """Architecture, by its name in transformers."""
        return str(self.network.config.model_type)


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
    found = examine(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    require(found.proofs, found.name)
    return found


def examine(
    model: Any = "smollm2",
    *,
    tokenizer: Any = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Model:
    """The same as :func:`load`, but a model with a failed proof is handed out all the same."""
    source = open_source(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    ids = _probe_ids(source.model)
    anatomy = dissect(source.model, ids, name=source.name)
    proofs = prove(source.model, anatomy, ids)
    return Model(source.model, source.tokenizer, source.name, source.revision, anatomy, proofs)


def _probe_ids(network: Any) -> torch.Tensor:
    """Tokens [1, n] to try a model out on: spread over its vocabulary, and the same every time."""
    embedding = network.get_input_embeddings().weight
    ids = torch.arange(1, PROBE_TOKENS + 1) * 7919 % embedding.shape[0]
    return ids[None].to(embedding.device)
