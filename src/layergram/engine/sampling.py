"""Sampling: how the next token is drawn, and answers in bulk.

Every answer has a random stream of its own, so that its ids depend on its prompt and its seed and
not on what else is in the batch, the order or a restart. :meth:`Draws.next` is the one place where
a token is drawn; the live loop (:mod:`layergram.engine.run`) and :func:`generate` both call it.

Greedy answers are those of transformers' own ``generate``, the model's generation settings (a
repetition penalty, suppressed tokens, …) included. Bulk answers do not go through it because it
keeps finished rows to the end (a third more time on short answers), and because its settings see
the padding of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from layergram.engine.batch import by_length, masked_logits
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.recipe import check_drawing


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn.

    Attributes:
        max_new_tokens: largest number of new tokens, the stopping token included.
        temperature: 0 takes the likeliest token at each step; above it tokens are drawn.
        top_p: tokens are drawn from the likeliest ones that together have this probability.
        top_k: tokens are drawn from so many of the likeliest; 0 for all.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.max_new_tokens < 1:
            raise LayergramError(f"max_new_tokens = {self.max_new_tokens}", allowed="at least 1")
        check_drawing(self.temperature, self.top_p, self.top_k)


class Stream:
    """The random stream of one answer, and how a token is drawn with it.

    Args:
        sampling: how to draw.
        seed: of the stream; the same seed draws the same tokens from the same logits.
        drawn: so many tokens of the answer have been drawn before; the next is drawn as it would
            be if they had been drawn here.

    Attributes:
        sampling: how to draw.
        seed: of the stream.
    """

    def __init__(self, sampling: Sampling, *, seed: int = 0, drawn: int = 0) -> None:
        self.sampling, self.seed, self.drawn = sampling, seed, drawn
        self.random = torch.Generator().manual_seed(seed)

    def perturb(self, logits: Tensor) -> Tensor:
        """Logits [V] whose largest is the next token.

        The logits themselves for a temperature of 0. Otherwise logits / temperature plus Gumbel
        noise: their largest is a draw from the softmax (the Gumbel-max trick, Gumbel 1954).
        Tokens outside ``top_k`` and ``top_p`` become −inf.
        """
        how = self.sampling
        if how.temperature == 0:
            return logits
        scores = logits.double().cpu() / how.temperature
        if how.top_k:
            least = scores.topk(min(how.top_k, len(scores))).values[-1]
            scores = scores.masked_fill(scores < least, -torch.inf)
        if how.top_p < 1:
            ordered, order = scores.softmax(-1).sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= how.top_p
            scores[order[beyond]] = -torch.inf
        waiting = torch.empty_like(scores).exponential_(generator=self.random)
        for _ in range(self.drawn):  # noise of the tokens before
            waiting.exponential_(generator=self.random)
        self.drawn = 0
        return (scores - waiting.log()).to(logits.device)

    def draw(self, logits: Tensor) -> int:
        """The next token from logits [V]."""
        return int(self.perturb(logits).argmax())


def seed_of(seed: int, item: str, sample: int) -> int:
    """The seed of one answer's stream, whatever is asked beside it.

    Args:
        seed: of the run.
        item: id of the question.
        sample: number of the answer.
    """
    digest = hashlib.sha256(f"{seed}\0{item}\0{sample}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


class Draws:
    """The tokens of one answer as they are drawn.

    Args:
        model: the model.
        prompt: ids of the prompt.
        stream: how to draw.
        begun: ids of the answer that have been drawn before.

    Attributes:
        ids: prompt and answer so far.
        done: whether the answer has ended, by a stopping token or its largest length.
    """

    def __init__(
        self, model: Model, prompt: Sequence[int], stream: Stream, *, begun: Sequence[int] = ()
    ) -> None:
        self.ids, self.stream, self.done = [*prompt, *begun], stream, False
        self.stops = set(model.stop_ids)
        self.end = len(prompt) + stream.sampling.max_new_tokens
        self.settings = logit_rules(model, len(prompt), stream.sampling.max_new_tokens)

    def next(self, logits: Tensor) -> int:
        """Draw the next token from logits [V]."""
        if self.settings:
            ids = torch.tensor([self.ids], device=logits.device)
            logits = self.settings(ids, logits[None].float())[0]
        self.ids.append(self.stream.draw(logits.float()))
        self.done = len(self.ids) >= self.end or self.ids[-1] in self.stops
        return self.ids[-1]


def logit_rules(model: Model, prompt: int, most: int) -> Any:
    """What the model's own generation settings do to logits: called with ids [1, n], logits [1, V].

    Settings that change greedy answers, such as a repetition penalty, a forced token, suppressed
    tokens or a least length.

    Args:
        model: the model.
        prompt: number of tokens of the prompt.
        most: largest number of new tokens.

    Returns:
        A list of transformers' logits processors, which can be called as a whole; ``None`` for a
        network that has no such settings.
    """
    network = model.network
    settings = getattr(network, "generation_config", None)
    if settings is None or not hasattr(network, "_get_logits_processor"):
        return None
    # the list that `generate` itself makes; transformers has no public name for it
    asked = GenerationConfig(do_sample=False, num_beams=1, max_new_tokens=most)
    config, _ = network._prepare_generation_config(asked)
    config.max_length = prompt + most
    network._prepare_special_tokens(config, device=model.device)
    return network._get_logits_processor(
        config, input_ids_seq_length=prompt, device=str(model.device)
    )


def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    streams: Sequence[Stream],
    *,
    batch: int = 32,
    begun: Sequence[Sequence[int]] | None = None,
) -> list[tuple[int, ...]]:
    """The ids that follow each prompt, the stopping token included where one was reached.

    Args:
        model: the model, with the edits that are in force.
        prompts: the ids of each prompt.
        streams: how each answer is drawn, in the order of the prompts.
        batch: largest number of answers that are generated together; changes speed and memory.
            Padding is used only where :func:`padding_is_exact` holds for these prompts.
        begun: the first ids of each answer, drawn before; the answers go on behind them. Their
            streams know how many there are.

    Returns:
        Ids in the order of the prompts. An answer's ids depend on its prompt and its stream alone
        as far as rounding allows: rows of a batch differ in their last float32 digits from a row
        by itself, which can tip a choice between tokens that are equally likely to 1e-5.
    """
    begun = begun or [()] * len(prompts)
    given = [[*prompt, *start] for prompt, start in zip(prompts, begun, strict=True)]
    lengths = [len(ids) for ids in given]
    for ids in given:
        model.check_ids(ids)
    mixed = len(set(lengths)) == 1 or padding_is_exact(model, given)
    found: dict[int, tuple[int, ...]] = {}
    for group in by_length(lengths, size=batch, mixed=mixed):
        rows = [Draws(model, prompts[at], streams[at], begun=begun[at]) for at in group]
        _generate_batch(model, rows)
        found |= {
            at: tuple(row.ids[len(prompts[at]) :]) for at, row in zip(group, rows, strict=True)
        }
    return [found[at] for at in range(len(prompts))]


def _generate_batch(model: Model, rows: list[Draws]) -> None:
    """What there is, padded on the left and read at once; then one token per answer and step.

    Rows with the same ids so far are read as one, if the cache can be divided among them.
    """
    given = [tuple(row.ids) for row in rows]
    share = model.drops_rows or not model.chunks
    different = list(dict.fromkeys(given)) if share else given
    ids, mask = padded_left(model, different)
    with torch.inference_mode():
        logits, cache = masked_logits(model, ids, mask, cache=None)
        if len(different) < len(rows):
            each = torch.tensor([different.index(one) for one in given], device=ids.device)
            logits, ids, mask = logits[each], ids[each], mask[each]
            if cache is not None:
                cache.batch_select_indices(each)
        while True:
            # rows that have ended go on as company until they are dropped
            new = [0 if row.done else row.next(own) for row, own in zip(rows, logits, strict=True)]
            left = [at for at, row in enumerate(rows) if not row.done]
            if not left:
                break
            added = torch.tensor(new, device=ids.device)[:, None]
            mask = torch.cat([mask, torch.ones_like(added)], dim=1)
            ids = added if model.chunks else torch.cat([ids, added], dim=1)
            if 8 * len(left) <= 7 * len(rows) and (model.drops_rows or cache is None):
                keep = torch.tensor(left, device=ids.device)
                rows, ids, mask = [rows[at] for at in left], ids[keep], mask[keep]
                if cache is not None:
                    cache.batch_select_indices(keep)
            logits, cache = masked_logits(model, ids, mask, cache=cache)


def padded_left(model: Model, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Prompts [n, longest] filled up with 0 on the left, and a mask of what is no padding."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(model.device), mask.to(model.device)


SLACK = 1e-3
"""Largest change of a log-probability that padding may make, in nats."""


def padding_is_exact(model: Model, prompts: Sequence[Sequence[int]]) -> bool:
    """Whether prompts of unequal length may be generated from together, tried on these prompts.

    The shortest is read beside the longest, padded on the left as ``generate`` does, and goes on
    by one token; its log-probabilities have to be those it has by itself, up to rounding.
    """
    short, long = min(prompts, key=len), max(prompts, key=len)
    if len(short) == len(long):
        return True
    alone, beside = _two_steps(model, [short]), _two_steps(model, [short, long])
    return bool((alone - beside).abs().max() <= SLACK)


def _two_steps(model: Model, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Log-probabilities [2, V] of the first prompt after its last token and after one more."""
    ids, mask = padded_left(model, prompts)
    more = torch.full((len(prompts), 1), int(prompts[0][0]), device=ids.device)
    with torch.inference_mode():
        first, cache = masked_logits(model, ids, mask, cache=None)
        longer = torch.cat([mask, torch.ones_like(more)], dim=1)
        given = more if model.chunks else torch.cat([ids, more], dim=1)
        second, _ = masked_logits(model, given, longer, cache=cache)
    return torch.stack([torch.log_softmax(logits[0].float(), -1) for logits in (first, second)])
