"""A tiny GPT-2 with heads planted by hand, so that it is known which head does what.

Three layers of four heads, no MLP (its weights are zero). Four heads are planted; the other eight
spread their attention about evenly and write little.

* ``MATCHED`` looks at the previous token and notes which it is.
* ``INDUCTION``, one layer later, looks for tokens whose note is the current token, and votes for
  them to come next: the two together continue what has been there before.
* ``COPY`` looks at the previous token and votes for it to come next.
* ``FIRST`` looks at the first token and votes for it to come next.

The residual stream holds four blocks, at right angles to each other: the token, its position, the
note, the votes. The unembedding reads the votes. Every vector has mean zero, so that a layer norm
changes nothing but lengths.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from layergram.models.load import load
from layergram.models.model import Model

LAYERS, HEADS, WIDTH, TOKENS, LONGEST = 3, 4, 128, 24, 96
D_HEAD = WIDTH // HEADS
BOS = 0

MATCHED, INDUCTION, COPY, FIRST = (1, 2), (2, 1), (2, 3), (3, 0)
"""The planted heads, (layer from 1, head from 0)."""

SHARP = 3.25  # of queries and keys: a perfect match then scores 30 and more
VOTE = {INDUCTION: 2.0, COPY: 1.0, FIRST: 0.5}  # lengths in the residual stream
LOUD = 1.5  # of the unembedding: a vote of length 1 is worth 4 to 6 logits


def model() -> Model:
    """The planted model, found and proved by layergram; its words are ``w0`` (BOS) to ``w23``."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(TOKENS)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="w0")
    return load(network(), tokenizer=tokenizer)


def repeated(seed: int, *, half: int = 20) -> list[int]:
    """BOS, so many different tokens in random order, and the same again."""
    random = torch.Generator().manual_seed(seed)
    once = (torch.randperm(TOKENS - 1, generator=random)[:half] + 1).tolist()
    return [BOS, *once, *once]


def there_and_back(seed: int) -> list[int]:
    """BOS, then ``a b a`` with new tokens each time: only ``COPY`` can know the second ``a``.

    It stands at the positions 3, 6, 9, ….
    """
    random = torch.Generator().manual_seed(seed)
    pairs = (torch.randperm(TOKENS - 1, generator=random)[:22] + 1).view(11, 2).tolist()
    return [BOS, *(token for a, b in pairs for token in (a, b, a))]


def network() -> GPT2LMHeadModel:
    """The planted GPT-2, in float32 and evaluation mode."""
    config = GPT2Config(
        vocab_size=TOKENS,
        n_positions=LONGEST,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        n_inner=WIDTH,
        bos_token_id=BOS,
        eos_token_id=None,
        tie_word_embeddings=False,
    )
    random = torch.Generator().manual_seed(0)
    gpt2 = GPT2LMHeadModel(config).eval()
    token, note, vote, place = _blocks(random).split([TOKENS, TOKENS, TOKENS, D_HEAD])
    codes, turn = _positions(random)
    with torch.no_grad():
        for name, parameter in gpt2.named_parameters():
            parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        gpt2.transformer.wte.weight.copy_(token)
        gpt2.transformer.wpe.weight.copy_(codes @ place)
        gpt2.lm_head.weight.copy_(LOUD * vote)
        for block in gpt2.transformer.h:
            for part in (block.attn.c_attn, block.attn.c_proj):
                part.weight.copy_(0.01 * torch.randn(part.weight.shape, generator=random))
        _plant(gpt2, MATCHED, query=turn @ place, key=place, value=token, write=note / 8)
        _plant(
            gpt2, INDUCTION, query=token, key=note, value=token, write=vote * VOTE[INDUCTION] / 6
        )
        _plant(gpt2, COPY, query=turn @ place, key=place, value=token, write=vote * VOTE[COPY] / 6)
        first = torch.zeros(D_HEAD, WIDTH)
        _plant(gpt2, FIRST, query=first, key=place, value=token, write=vote * VOTE[FIRST] / 4)
        layer, head = FIRST
        bias = gpt2.transformer.h[layer - 1].attn.c_attn.bias
        bias[head * D_HEAD : (head + 1) * D_HEAD] = 6 * SHARP * codes[0]
    return gpt2


def _blocks(random: torch.Generator) -> Tensor:
    """Rows at right angles to each other and to the vector of ones, each of length 1."""
    start = torch.randn(WIDTH, WIDTH, generator=random, dtype=torch.float64)
    start[:, 0] = 1
    return torch.linalg.qr(start).Q.T[1 : 3 * TOKENS + D_HEAD + 1].float()


def _positions(random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A code [position, d_head] of length 1, and the rotation that makes position i − 1 of i.

    Two codes are alike only where the positions are equal.
    """
    pace = torch.linspace(0.05, 3.0, D_HEAD // 2) + 0.1 * torch.rand(D_HEAD // 2, generator=random)
    angle = torch.arange(LONGEST)[:, None] * pace
    codes = torch.cat([angle.cos(), angle.sin()], dim=1) / (D_HEAD // 2) ** 0.5
    cos, sin = pace.cos().diag(), pace.sin().diag()
    return codes, torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)])


def _plant(
    gpt2: GPT2LMHeadModel,
    place: tuple[int, int],
    *,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    write: Tensor,
) -> None:
    """Let a head ask with the stream's part in ``query``, find ``key``, and write what it finds.

    All [rows, width], rows at most d_head; row r of ``value`` becomes row r of ``write``.
    """
    layer, head = place
    attention = gpt2.transformer.h[layer - 1].attn
    own = slice(head * D_HEAD, (head + 1) * D_HEAD)
    for third, rows in enumerate((SHARP * query, SHARP * key, value)):
        columns = attention.c_attn.weight[:, third * WIDTH : (third + 1) * WIDTH][:, own]
        columns.zero_()
        columns[:, : len(rows)] = rows.T
    attention.c_proj.weight[own] = 0
    attention.c_proj.weight[own][: len(write)] = write
