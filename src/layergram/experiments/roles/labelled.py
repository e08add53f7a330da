"""Labelled texts as examples of a role map: any property of two values, nothing is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from layergram.answers.judge import Row
from layergram.datasets.examples import quoted_ids
from layergram.datasets.labelled import LabelledSet, LabelledText
from layergram.errors import LayergramError
from layergram.experiments.roles.examples import Examples
from layergram.experiments.roles.pipeline import RoleAnalysis, RoleMapOptions, analyse
from layergram.maps import TEXT_ROLES
from layergram.models.model import Model
from layergram.progress import Progress, no_progress
from layergram.storage.folder import RunFolder
from layergram.tokens import Tokens, append, encode, positions


def analyse_texts(
    model: Model,
    texts: LabelledSet,
    folder: RunFolder | None = None,
    *,
    options: RoleMapOptions,
    progress: Progress = no_progress,
) -> RoleAnalysis:
    """Take the hidden states of labelled texts at their token roles, probe every cell, compare."""
    examples = texts_of(model, texts, chat=options.answers.chat)
    made_with = {
        "labelled": texts.name,
        "labelled_digest": texts.digest,
        "where": options.features.where,
        "evaluation": asdict(options.evaluation),
        "chat": options.answers.chat,
    }
    made_from = {
        **model.provenance(),
        "seed": options.evaluation.seed,
        "options": json.dumps(made_with, ensure_ascii=False),
    }
    features = replace(options.features, roles=roles_of(examples.rows))
    return analyse(
        model,
        examples,
        folder,
        options=replace(options, features=features),
        made_from=made_from,
        progress=progress,
    )


def texts_of(model: Model, texts: LabelledSet, *, chat: str) -> Examples:
    """Labelled texts as examples, under the set's own labels."""
    return Examples(
        texts.name,
        rows_of(model, texts, chat=chat),
        np.array(texts.positive),
        texts.labels,
        of="texts",
        warnings=texts.warnings,
    )


def rows_of(model: Model, texts: LabelledSet, *, chat: str) -> list[Row]:
    """The tokens of every text, with the position of each token role.

    Raises:
        LayergramError: for texts that are longer than the model's context.
    """
    rows = [_row(model, text, chat, texts.labels[1]) for text in texts.texts]
    long = [row.id for row in rows if model.context is not None and len(row.ids) > model.context]
    if long:
        raise LayergramError(
            f"the labelled set '{texts.name}' read by '{model.name}'",
            got=f"{len(long)} texts that are too long: {quoted_ids(long)}",
            allowed=f"{model.context} tokens",
            do="shorten or remove them, or take a model with a longer context",
        )
    return rows


def _row(model: Model, text: LabelledText, chat: str, positive: str) -> Row:
    """A text as an answer that was given: what stands before the reply is its prompt."""
    if text.question:
        prompt = model.format_prompt(text.question, chat=chat)
        reply = model.tokenizer(text.text, add_special_tokens=False)["input_ids"]
        tokens = append(model.tokenizer, prompt, reply)
        start, before = len(prompt.text), len(prompt)
        begin = max(prompt.text.rfind(text.question.strip()), 0)
        parts = {
            "question": _inside(tokens, begin, begin + len(text.question.strip())),
            "reply": range(before, len(tokens)),
        }
    else:
        tokens = encode(model.tokenizer, text.text)
        start, before = 0, 1
        parts = {"": _inside(tokens, 0, len(tokens.text))}
    span = None
    if text.span is not None:
        shift = start + (len(tokens.text) - start - len(text.text) if text.question else 0)
        span = _inside(tokens, shift + text.span[0], shift + text.span[1])
    exact = None
    if span is not None and span[-1] >= before:
        exact = (max(span[0], before), span[-1])
    words = text.text[slice(*text.span)] if text.span else ""
    return Row(
        id=text.id,
        sample=0,
        group=text.group,
        question=text.question,
        accepted=(),
        reply=text.text,
        right=text.label != positive,
        exact=words,
        extractor="span" if text.span else "",
        exact_chars=text.span,
        exact_tokens=exact,
        prompt_tokens=before,
        roles=text_roles(len(tokens), parts, span),
        ended="stop",
        ids=tokens.ids,
        texts=tokens.texts,
    )


def _inside(tokens: Tokens, start: int, end: int) -> range:
    return positions(tokens, start, min(end, len(tokens.text)))


def text_roles(total: int, parts: dict[str, range], span: range | None) -> dict[str, int]:
    """Role -> position, −1 where the text has no such token.

    Args:
        total: number of tokens.
        parts: name of a part, "" for a text of one part -> its tokens.
        span: tokens of the words to look at.

    Example:
        >>> found = text_roles(6, {"": range(1, 6)}, range(2, 4))
        >>> found["first"], found["last"], found["span_before"], found["span_after"], found["-8"]
        (1, 5, 1, 4, -1)
    """
    places: dict[str, int] = {}
    for name, where in parts.items():
        lead = f"{name}_" if name else ""
        places |= {f"{lead}first": where[0], f"{lead}last": where[-1]}
    if span is not None:
        places |= {
            "span_before": span[0] - 1,
            "span_first": span[0],
            "span_last": span[-1],
            "span_after": min(total - 1, span[-1] + 1),
        }
    places |= {role: total + int(role) for role in TEXT_ROLES if role.startswith("-")}
    return {role: max(places.get(role, -1), -1) for role in TEXT_ROLES}


def roles_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The roles that any text has."""
    return tuple(role for role in TEXT_ROLES if any(row.roles[role] >= 0 for row in rows))
