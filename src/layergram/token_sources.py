"""Where the tokens of a trace come from: a text, a prompt, token ids, or a stored answer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergram import maps, tokens
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.tokens import Tokens


@dataclass(frozen=True)
class Source:
    """Where the tokens of a trace come from: exactly one of the four.

    Attributes:
        text: a text to read.
        prompt: a prompt that the model answers.
        ids: token ids to read.
        answer: a stored answer: ``ids`` of prompt and answer, and how many are ``prompt_tokens``
            (a line of ``rows.jsonl``, or anything with these two fields or attributes).
    """

    text: str | None = None
    prompt: str | None = None
    ids: Sequence[int] | None = None
    answer: Any = None

    def __post_init__(self) -> None:
        """Refuse no source, several, and a text with nothing in it."""
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) != 1:
            raise LayergramError(
                "maps",
                got=" and ".join(given) or "no text",
                allowed="one of text, prompt, ids and answer",
                do="give one",
            )
        if self.ids is None and self.answer is None:
            check_text(self.text if self.prompt is None else self.prompt)

    def tokens(self, model: Model, *, chat: str) -> Tokens:
        """The tokens, with the part of each."""
        if self.text is not None:
            return tokens.encode(model.tokenizer, self.text)
        if self.prompt is not None:
            return model.format_prompt(self.prompt, chat=chat)
        if self.ids is not None:
            model.check_ids(self.ids)
            return tokens.from_ids(model.tokenizer, self.ids)
        stored = self.answer
        try:
            if isinstance(stored, Mapping):
                ids, prompt = list(map(int, stored["ids"])), int(stored["prompt_tokens"])
            else:
                ids, prompt = list(map(int, stored.ids)), int(stored.prompt_tokens)
            if not 1 <= prompt <= len(ids):
                raise ValueError(f"{prompt} prompt tokens of {len(ids)}")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LayergramError(
                "maps of a stored answer",
                got=f"{type(self.answer).__name__} without usable ids and prompt_tokens ({error})",
                allowed="ids of prompt and answer, and the number of prompt_tokens",
                do="give a line of rows.jsonl as a dict",
            ) from None
        model.check_ids(ids)
        given = tokens.from_ids(model.tokenizer, ids[:prompt])
        return tokens.append(model.tokenizer, given, ids[prompt:])


def roles_of(given: Tokens, source: Source) -> list[str]:
    """The role of each token in its sequence; every token has one.

    ``first token``; ``template``, what the chat template adds around a prompt; ``prompt``, or
    ``text`` where there is no answer; ``exact answer``, of a stored answer with the positions of
    these tokens in ``roles``; ``answer``, the rest of it.
    """
    answered = source.prompt is not None or "answer" in given.parts
    roles = [part if answered else "text" for part in given.parts]
    if source.prompt is not None:
        asked = _asked(given, source.prompt)
        if asked is not None:
            for at, part in enumerate(given.parts):
                if part == "prompt" and at not in asked:
                    roles[at] = "template"
    stored = source.answer
    known = stored.get("roles") if isinstance(stored, Mapping) else getattr(stored, "roles", None)
    first, last = ((known or {}).get(f"exact_answer_{end}", -1) for end in ("first", "last"))
    if 0 <= first <= last < len(roles):
        roles[first : last + 1] = ["exact answer"] * (last + 1 - first)
    return ["first token", *roles[1:]]


def _asked(given: Tokens, prompt: str) -> range | None:
    """The tokens of the prompt's own words; ``None`` where the template has changed them."""
    try:
        return tokens.find(given, prompt.strip())
    except LayergramError:
        return None


def check_text(text: str | None) -> None:
    """Refuse a text with nothing in it, and one that is no whole characters."""
    if text is None or not text.strip():
        raise LayergramError(
            "maps of a text", got="an empty text", allowed="at least one word", do="give a text"
        )
    tokens.check_characters(text)


def token_coordinates(given: Tokens) -> dict[Hashable, Any]:
    """The tokens as coordinates of the axis ``token``."""
    return {
        "token_text": ("token", np.array([*map(maps.storable, given.texts)], dtype=object)),
        "token_id": ("token", np.array(given.ids)),
        "char_start": ("token", np.array(given.char_start)),
        "char_end": ("token", np.array(given.char_end)),
        "part": ("token", np.array(given.parts, dtype=object)),
    }
