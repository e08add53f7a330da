"""Work with torch and transformers alone: the floors, and what a user would write in a few lines.

python benchmarks/workers/plain.py FOLDER [--device cuda] [--dtype bfloat16]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from serve import Prepare, Work, serve
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

LN2 = 0.6931471805599453


def arguments() -> argparse.Namespace:
    """What every worker is told: the model's folder, and where and how to load it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("texts", help="a file with token ids, and with batches of them")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    return parser.parse_args()


def network_of(given: argparse.Namespace, **options: Any) -> Any:
    """The model in a folder; one with random weights where the folder holds a shape alone."""
    dtype = getattr(torch, given.dtype)
    if list(Path(given.folder).glob("*.safetensors")):
        made = AutoModelForCausalLM.from_pretrained(given.folder, dtype=dtype, **options)
    else:
        torch.manual_seed(0)
        with torch.device(given.device):
            config = AutoConfig.from_pretrained(given.folder)
            made = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
    return made.to(given.device).eval()


class Texts:
    """Token ids to read: one long text, and batches of answers.

    Args:
        path: a JSON file with ``ids``, and with ``answers``: ids, prompt_tokens and roles of each.
        device: where the ids are wanted.
    """

    def __init__(self, path: str, device: str) -> None:
        found = json.loads(Path(path).read_text())
        self.ids: list[int] = found["ids"]
        self.answers: list[dict[str, Any]] = found["answers"]
        self.device = device

    def first(self, tokens: int) -> Tensor:
        """The first tokens [1, tokens] of the long text."""
        if len(self.ids) < tokens:
            raise ValueError(f"the text has {len(self.ids)} tokens, not {tokens}")
        return torch.tensor([self.ids[:tokens]], device=self.device)


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Jensen–Shannon divergence of log-probabilities [token, V], in bit [token], as one writes it.

    Every temporary is a new tensor: this is what a loop in a notebook costs.
    """
    log_m = torch.logaddexp(log_p, log_q) - LN2
    kl_p = (log_p.exp() * (log_p - log_m)).sum(-1)
    kl_q = (log_q.exp() * (log_q - log_m)).sum(-1)
    return (kl_p + kl_q) / (2 * LN2)


def received(weights: Tensor) -> Tensor:
    """Mean weight that a key gets from the queries that see it, of [1, head, query, key]: [key]."""
    sums = weights[0].float().mean(0).sum(0)
    return sums / torch.arange(len(sums), 0, -1, device=sums.device)


def mean_of(rows: Sequence[Tensor]) -> Tensor:
    """The mean of a map [layer, token]: the value of a work."""
    return torch.stack(list(rows)).mean()


def mean_divergence(rows: Sequence[Tensor]) -> Tensor:
    """The same, without the last position, which predicts a token that is not there."""
    return torch.stack(list(rows))[:, :-1].mean()


class Plain:
    """The floors and the plain loops, on one network.

    Args:
        network: a causal model of transformers.
        texts: what to read.
    """

    def __init__(self, network: Any, texts: Texts) -> None:
        self.network, self.texts = network, texts
        self.norm, self.unembed = network.model.norm, network.lm_head

    def run(self, ids: Tensor, **options: Any) -> Any:
        """One forward pass that keeps the logits of the last token only."""
        with torch.inference_mode():
            return self.network(input_ids=ids, use_cache=False, logits_to_keep=1, **options)

    def forward(self, tokens: int) -> Work:
        """The plain forward pass (floor)."""
        ids = self.texts.first(tokens)
        return lambda: self.run(ids) and None

    def products(self, tokens: int) -> Work:
        """The bare products of all layers' states with the unembedding (floor)."""
        states = self.run(self.texts.first(tokens), output_hidden_states=True).hidden_states[1:]
        weight = self.network.get_output_embeddings().weight.T

        def work() -> None:
            with torch.inference_mode():
                for h in states:
                    h[0] @ weight

        return work

    def lens(self, tokens: int) -> Work:
        """The divergence of all layers by a loop over hidden states."""
        ids = self.texts.first(tokens)

        def work() -> Tensor:
            with torch.inference_mode():
                states = self.run(ids, output_hidden_states=True).hidden_states
                # the last of them is normed already
                log_p = self.unembed(states[-1][0]).log_softmax(-1)
                rows = [
                    divergence(log_p, self.unembed(self.norm(h[0])).log_softmax(-1))
                    for h in states[1:-1]
                ]
                return mean_divergence([*rows, torch.zeros_like(rows[0])])

        return work

    def attention(self, tokens: int) -> Work:
        """Attention received from ``output_attentions``, all layers at once."""
        ids = self.texts.first(tokens)

        def work() -> Tensor:
            with self.eager():
                attentions = self.run(ids, output_attentions=True).attentions
                return mean_of([received(weights) for weights in attentions])

        return work

    def reducing_hooks(self, tokens: int) -> Work:
        """Attention received by hooks that reduce each layer's eager weights and let go of them."""
        ids = self.texts.first(tokens)

        def work() -> Tensor:
            rows: list[Tensor] = []

            def hook(module: Any, args: Any, output: Any) -> Any:
                rows.append(received(output[1]))
                return output[0], None

            with ExitStack() as stack:
                stack.enter_context(self.eager())
                for layer in self.network.model.layers:
                    stack.callback(layer.self_attn.register_forward_hook(hook).remove)
                self.run(ids)
            return mean_of(rows)

        return work

    def eager(self) -> ExitStack:
        """Eager attention until the block ends."""
        stack = ExitStack()
        stack.callback(self.network.set_attn_implementation, "sdpa")
        self.network.set_attn_implementation("eager")
        return stack

    def batches(self, batches: Sequence[Tensor]) -> Work:
        """The plain forward pass of these batches of ids (floor)."""

        def work() -> None:
            for ids in batches:
                self.run(ids)

        return work

    def batch_products(self, batches: Sequence[Tensor]) -> Work:
        """The unembedding products of all layers for as many tokens, padding left out (floor)."""
        weight = self.network.get_output_embeddings().weight.T
        counts = [int((ids > 0).sum()) for ids in batches]
        states = torch.randn(max(counts), len(weight), dtype=weight.dtype, device=weight.device)

        def work() -> None:
            with torch.inference_mode():
                for count in counts:
                    for _ in self.network.model.layers:
                        states[:count] @ weight

        return work

    def one_by_one(self, answers: int) -> Work:
        """The states of each answer at its roles, one answer a pass, with all hidden states.

        As published code for role maps takes them; the logits of all tokens are made too.
        """
        given = self.texts.answers[:answers]

        def work() -> Tensor:
            rows = []
            for answer in given:
                ids = torch.tensor([answer["ids"]], device=self.texts.device)
                with torch.inference_mode():
                    found = self.network(input_ids=ids, output_hidden_states=True)
                roles = [at for at in answer["roles"].values() if at >= 0]
                rows.append(torch.stack([h[0, roles] for h in found.hidden_states]).mean())
            return torch.stack(rows).mean()

        return work

    def works(self) -> dict[str, Prepare]:
        """What can be asked for."""
        names = ["forward", "products", "lens", "attention", "reducing_hooks", "one_by_one"]
        return {name: getattr(self, name) for name in names}


def main(more: Callable[[argparse.Namespace, Texts], Mapping[str, Prepare]] | None = None) -> None:
    """Serve the plain work, or that of another library."""
    given = arguments()
    texts = Texts(given.texts, given.device)
    serve(more(given, texts) if more else Plain(network_of(given), texts).works())


if __name__ == "__main__":
    main()
