"""A loaded model: its parts, what is proved about it, and the facts that results depend on."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from layergram.errors import LayergramError
from layergram.maps import layergram_version
from layergram.models.attribution import Attribution, attribution_of
from layergram.models.edits import record_of_edits
from layergram.models.locate import sample_ids, vocabulary
from layergram.models.parts import Parts, Proof
from layergram.models.routers import Router, routers_of
from layergram.models.values import HeadWrites, head_writes_of
from layergram.tokens import Tokens, encode


@dataclass(frozen=True)
class Model:
    """A causal language model whose parts are known and proved.

    Attributes:
        network: the transformers model, in evaluation mode.
        tokenizer: its tokenizer.
        name: the model as it was asked for.
        revision: a commit, or a digest of the weights.
        parts: where its parts are.
        proofs: what was tried out on it.
        place: the hub id or folder that its weights were loaded from; empty for an object.
        remake: makes the same model in another process; ``None`` where nothing can, as for a model
            that was given as an object.
    """

    network: Any
    tokenizer: Any
    name: str
    revision: str
    parts: Parts
    proofs: tuple[Proof, ...]
    place: str = field(default="", compare=False)
    remake: Callable[[], Model] | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[Any, ...]]:
        """How the model comes to another process: by how to make it there, never by its weights.

        Raises:
            LayergramError: for a model that cannot be made again there.
        """
        if self.remake is None:
            raise LayergramError(
                f"the model '{self.name}' in another process",
                got="a model that was given as an object",
                allowed="a model that is loaded by its name, folder or file",
                do="save it with save_pretrained, and load it from that folder",
            )
        return made_again, (self.remake, self.fingerprint())

    def __repr__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return (
            f"Model({self.name}: {self.model_type}, {self.layers} layers, {kind} on "
            f"{self.device.type}, revision {self.revision})"
        )

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.parts.layers)

    @property
    def has_attention(self) -> bool:
        """Whether any layer shows attention weights."""
        return any(self.parts.heads)

    @property
    def chunks(self) -> bool:
        """Whether a text can be read in chunks against the cache."""
        return self.proved("chunks")

    @property
    def batches(self) -> bool:
        """Whether sequences of unequal length can be read together, padded on the right."""
        return self.proved("padding")

    @property
    def drops_rows(self) -> bool:
        """Whether finished sequences of a batch can be dropped from the cache."""
        return self.proved("dropping")

    def proved(self, name: str) -> bool:
        """Whether the proof of this name was made."""
        return any(proof.name == name and proof.status == "proved" for proof in self.proofs)

    @property
    def vocabulary(self) -> int:
        """Number of token ids that the model has an embedding for."""
        return vocabulary(self.network)

    @property
    def context(self) -> int | None:
        """Largest number of tokens that the model can read or was made for, where that is known.

        The rows of its table of positions; for a model without one, what its configuration says.
        """
        if self.parts.positions is not None:
            return self.parts.positions
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
        ids = sample_ids(self.network)
        return attribution_of(self.network, self.parts, ids, name=self.name)

    @cached_property
    def head_writes(self) -> HeadWrites:
        """How long the values of each head become in its output projection.

        Raises:
            LayergramError: with the reason, where the model is built another way.
        """
        ids = sample_ids(self.network)
        return head_writes_of(self.network, self.parts, ids, name=self.name)

    @cached_property
    def routers(self) -> tuple[Router | None, ...]:
        """For each layer how its tokens are sent to experts; ``None`` for a dense layer.

        Raises:
            LayergramError: with the reason, for a model without experts and for one whose router
                is built in a way that is not known.
        """
        return routers_of(self.network, self.parts, sample_ids(self.network), name=self.name)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are, and so where token ids must be."""
        return self.network.get_input_embeddings().weight.device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the forward pass."""
        return self.parts.readout.dtype

    @property
    def model_type(self) -> str:
        """Architecture, by its name in transformers."""
        return str(self.network.config.model_type)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The token ids after which an answer ends."""
        config = getattr(self.network, "generation_config", None)
        stop = None if config is None else config.eos_token_id
        if stop is None:
            stop = self.tokenizer.eos_token_id
        return () if stop is None else tuple(stop) if isinstance(stop, list | tuple) else (stop,)

    def provenance(self) -> dict[str, Any]:
        """The model's facts in the attributes of everything that is made with it.

        Name, revision, ``model_type``, number of layers, ``dtype`` (such as ``"float32"``), kind
        of ``device`` (such as ``"cuda"``), and the edits in force where there are any.
        """
        return {
            "model": self.name,
            "revision": self.revision,
            "model_type": self.model_type,
            "layers": self.layers,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            **record_of_edits(self),
        }

    def generation_settings(self) -> dict[str, Any]:
        """What of the model's own settings its answers depend on, as plain data."""
        config = getattr(self.network, "generation_config", None)
        settings = {} if config is None else config.to_diff_dict()
        plain = {name: repr(value) for name, value in sorted(settings.items())}
        return {"stop_ids": list(self.stop_ids), "generation": plain}

    def fingerprint(self) -> dict[str, Any]:
        """The provenance with layergram's version: what every stored result depends on."""
        return {**self.provenance(), "layergram_version": layergram_version()}

    def format_prompt(self, prompt: str, *, chat: str = "auto") -> Tokens:
        """The tokens of a prompt.

        Args:
            prompt: what to ask.
            chat: ``template`` for the tokenizer's chat template, ``plain`` for the text as it is,
                ``auto`` for the template where there is one.

        Raises:
            LayergramError: for ``template`` with a tokenizer that has none, and for a template that
                raises an error or leaves the prompt out.
        """
        has_template = bool(getattr(self.tokenizer, "chat_template", None))
        if chat == "template" and not has_template:
            raise LayergramError(
                "the prompt in a chat template",
                got=f"the tokenizer of '{self.name}' has none",
                do="ask with chat 'plain'",
            )
        if chat == "plain" or not has_template:
            return encode(self.tokenizer, prompt)
        return encode(self.tokenizer, self._in_template(prompt), special="none")

    def _in_template(self, prompt: str) -> str:
        """The prompt in the chat template, as a text or, where the template reads one, as parts."""
        reason = ""
        for content in (prompt, [{"type": "text", "text": prompt}]):
            turns = [{"role": "user", "content": content}]
            try:
                text = self.tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True
                )
            except Exception as error:  # a template is a program: it can raise anything
                reason = reason or f"an error of the template: {' '.join(str(error).split())[:200]}"
                continue
            if " ".join(prompt.split()) in " ".join(text.split()):
                return str(text)
            reason = f"a template that leaves the prompt out: {text[:100]!r}"
        raise LayergramError(
            f"the prompt in the chat template of '{self.name}'",
            got=reason,
            allowed="a template that takes one message of a user",
            do="ask with chat 'plain', or give the tokenizer another chat_template",
        )

    def check_ids(self, ids: Sequence[int]) -> None:
        """Refuse token ids without an embedding, such as those that a tokenizer was given later."""
        size = self.vocabulary
        unknown = next((token for token in ids if not 0 <= token < size), None)
        if unknown is not None:
            raise LayergramError(
                f"to read {len(ids)} tokens with the model '{self.name}'",
                got=f"the id {unknown}, for which it has no embedding",
                allowed=f"0 to {size - 1}",
                do="take the model's own tokenizer, or resize the model's embedding",
            )

    def check_length(self, tokens: int, *, room: int = 0) -> None:
        """Refuse texts of fewer than 2 tokens, and of more than the context less ``room``."""
        if tokens < 2:
            raise LayergramError("maps of a text", got=f"{tokens} token", allowed="at least 2")
        if self.context is not None and tokens + room > self.context:
            over = tokens + room - self.context
            raise LayergramError(
                f"maps of a text of {tokens} tokens",
                got=f"a context of {self.context} tokens in the model '{self.name}'",
                do=f"shorten the text by {over} tokens or more, "
                "or take a model with a longer context",
            )


_HERE: dict[str, Model] = {}
"""Models that this process has made for another one, so that each is made once."""


def made_again(remake: Callable[[], Model], fingerprint: dict[str, Any]) -> Model:
    """The model that another process has, made in this one.

    Args:
        remake: makes it.
        fingerprint: of the model in the other process.

    Raises:
        LayergramError: if it turns out to be another, with what differs.
    """
    key = json.dumps(fingerprint, sort_keys=True)
    if key not in _HERE:
        model = remake()
        found = model.fingerprint()
        differs = [name for name in fingerprint if found.get(name) != fingerprint[name]]
        if differs:
            name = differs[0]
            raise LayergramError(
                f"the model '{fingerprint['model']}' in another process",
                got=f"a model with the {name} {found.get(name)}, not {fingerprint[name]}",
                do="give every process the same model, versions and kind of device, and no edits",
                exit_code=1,
            )
        _HERE[key] = model
    return _HERE[key]
