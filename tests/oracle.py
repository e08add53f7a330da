"""What every measure should say, in float64 numpy, from transformers' own eager forward pass.

Written from the definitions and from nothing in layergram: one pass over the whole text, all
attention weights at once, and the final norm, unembedding and scale found by name for each type.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch

ATTENTION = [
    "attention_received",
    "attention_from",
    "attention_entropy",
    "attention_entropy_normalised",
    "attention_previous",
    "attention_first",
    "attention_distance",
    "attention_distance_normalised",
    "attention_induction",
]
LENS = ["divergence", "lens_entropy", "lens_probability", "lens_rank", "settling_depth"]
HEADS = ["head_logit_attribution"]
RESIDUAL = ["residual_norm", "residual_update", "cosine_to_final"]

# where the layers and the final norm are, and how the model makes its logits of W_U · norm(h)
LLAMA = ("model.layers", "model.norm")
PLACES = {
    "gpt2": ("transformer.h", "transformer.ln_f"),
    "gpt_neox": ("gpt_neox.layers", "gpt_neox.final_layer_norm"),
    "opt": ("model.decoder.layers", "model.decoder.final_layer_norm"),
}
POST = {
    "cohere2": lambda z, config: z * config.logit_scale,
    "granite": lambda z, config: z / config.logits_scaling,
    "gemma2": lambda z, config: (
        config.final_logit_softcapping * np.tanh(z / config.final_logit_softcapping)
    ),
}
POST["gemma3_text"] = POST["gemma2"]


@dataclass(frozen=True)
class Eager:
    """One unchunked forward pass.

    Attributes:
        network: the copy that made it.
        weights: [layer, head, query, key].
        visible: [layer, query, key], where any head's weight is not exactly zero.
        streams: [layer + 1, token, d], the last one before the final norm.
        logits: [token, V], the model's own.
    """

    network: Any
    weights: np.ndarray
    visible: np.ndarray
    streams: torch.Tensor
    logits: np.ndarray

    def lens(self, layer: int, norm: str = "final") -> np.ndarray:
        """[token, V], log-probabilities of one layer's lens (layers from 1)."""
        place = PLACES.get(self.network.config.model_type, LLAMA)[1]
        with torch.no_grad():
            h = self.streams[layer]
            h = attrgetter(place)(self.network)(h) if norm == "final" else h
        head = self.network.get_output_embeddings()
        z = h.double().numpy() @ head.weight.detach().double().numpy().T
        if head.bias is not None:
            z = z + head.bias.detach().double().numpy()
        config = self.network.config
        return log_softmax(POST.get(config.model_type, lambda z, config: z)(z, config))


def eager(network: Any, ids: list[int]) -> Eager:
    """Everything about ``ids``, from a copy of the network set to eager attention."""
    network = copy.deepcopy(network).eval()
    network.set_attn_implementation("eager")
    layers = attrgetter(PLACES.get(network.config.model_type, LLAMA)[0])(network)
    last: list[torch.Tensor] = []
    layers[-1].register_forward_hook(
        lambda module, args, out: last.append(out if isinstance(out, torch.Tensor) else out[0])
    )
    with torch.no_grad():
        out = network(
            input_ids=torch.tensor([ids]),
            use_cache=False,
            output_attentions=True,
            output_hidden_states=True,
        )
    weights = np.stack([w[0].double().numpy() for w in out.attentions])
    streams = torch.stack([*(h[0] for h in out.hidden_states[:-1]), last[0][0]])
    return Eager(network, weights, weights.max(1) > 0, streams, out.logits[0].double().numpy())


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def received(e: Eager) -> np.ndarray:
    """[layer, head, key]: sum over queries divided by the number of queries that see the key."""
    return e.weights.sum(2) / e.visible.sum(1)[:, None, :]


def given(e: Eager, queries: list[int]) -> np.ndarray:
    """[layer, head, key]: mean over the queries; NaN where none of them sees the key."""
    mean = e.weights[:, :, queries].mean(2)
    return np.where(e.visible[:, queries].any(1)[:, None, :], mean, np.nan)


def entropy(e: Eager) -> np.ndarray:
    """[layer, head, query], bits."""
    return -(e.weights * np.log2(np.where(e.weights > 0, e.weights, 1))).sum(-1)


def entropy_normalised(e: Eager) -> np.ndarray:
    """[layer, head, query]: of the weights without the sinks, as a share of log2 of the count."""
    seen = e.visible.sum(-1)[:, None, :]
    shares = e.weights / e.weights.sum(-1, keepdims=True)
    bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(-1)
    return np.where(seen > 1, bits / np.log2(np.where(seen > 1, seen, 2)), np.nan)


def each_query(e: Eager, value: Any) -> np.ndarray:
    """[layer, head, query] of ``value(weights [head, key], keys in sight, query)``."""
    layers, heads, tokens, _ = e.weights.shape
    found = np.full((layers, heads, tokens), np.nan)
    for layer in range(layers):
        for i in range(tokens):
            seen = [int(j) for j in np.flatnonzero(e.visible[layer, i])]
            found[layer, :, i] = value(e.weights[layer, :, i], seen, i)
    return found


def previous(e: Eager) -> np.ndarray:
    return each_query(e, lambda a, seen, i: a[:, i - 1] if i - 1 in seen else np.nan)


def first(e: Eager) -> np.ndarray:
    return each_query(e, lambda a, seen, i: a[:, 0] if i and 0 in seen else np.nan)


def distance(e: Eager) -> np.ndarray:
    return each_query(e, lambda a, seen, i: a @ np.abs(i - np.arange(a.shape[1])) / a.sum(1))


def distance_normalised(e: Eager) -> np.ndarray:
    most = each_query(e, lambda a, seen, i: i - seen[0] if len(seen) > 1 else np.nan)
    return distance(e) / most


def induction(e: Eager, ids: list[int]) -> np.ndarray:
    def value(a: np.ndarray, seen: list[int], i: int) -> Any:
        followers = [j for j in seen if 0 < j < i and ids[j - 1] == ids[i]]
        return sum(a[:, j] for j in followers) if followers else np.nan

    return each_query(e, value)


def lookback(e: Eager, context: range) -> np.ndarray:
    def value(a: np.ndarray, seen: list[int], i: int) -> Any:
        old = [j for j in seen if j in context]
        new = [j for j in seen if j >= context.stop]
        if i < context.stop or not old:
            return np.nan
        back, on = a[:, old].mean(1), a[:, new].mean(1)
        return back / (back + on)

    return each_query(e, value)


def attention_maps(e: Eager, ids: list[int]) -> dict[str, np.ndarray]:
    """[layer, head, token] of every measure of attention."""
    return {
        "attention_received": received(e),
        "attention_from": given(e, [len(ids) - 1]),
        "attention_entropy": entropy(e),
        "attention_entropy_normalised": entropy_normalised(e),
        "attention_previous": previous(e),
        "attention_first": first(e),
        "attention_distance": distance(e),
        "attention_distance_normalised": distance_normalised(e),
        "attention_induction": induction(e, ids),
    }


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """[position], bits, of log-probabilities [position, V]: H(m) − ½H(p) − ½H(q)."""

    def h(p: np.ndarray) -> np.ndarray:
        return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)

    p, q = np.exp(p), np.exp(q)
    return h((p + q) / 2) - h(p) / 2 - h(q) / 2


def settling(d: np.ndarray, g: float) -> np.ndarray:
    """[position]: first layer (from 1) whose running minimum is at most g, L if there is none."""
    depth = np.full(d.shape[1], d.shape[0], dtype=float)
    for t in range(d.shape[1]):
        for layer in range(d.shape[0]):
            if d[: layer + 1, t].min() <= g:
                depth[t] = layer + 1
                break
    return depth


def lens_maps(e: Eager, ids: list[int], norm: str = "final") -> dict[str, np.ndarray]:
    """[layer, position] of each lens measure; position j predicts token j + 1, the last nothing."""
    positions, following = np.arange(len(ids) - 1), np.array(ids[1:])
    final = e.lens(len(e.weights))[:-1]
    rows: dict[str, list[np.ndarray]] = {}
    for layer in range(1, len(e.weights) + 1):
        log_p = e.lens(layer, norm)[:-1]
        own = log_p[positions, following]
        of_layer = {
            "divergence": divergence(final, log_p),
            "lens_entropy": -(np.exp(log_p) * log_p).sum(-1) / np.log(2),
            "lens_probability": np.exp(own),
            "lens_rank": (log_p > own[:, None]).sum(-1) + 1.0,
        }
        for name, values in of_layer.items():
            rows.setdefault(name, []).append(values)
    return {name: np.stack(values) for name, values in rows.items()}


def residual_maps(e: Eager) -> dict[str, np.ndarray]:
    """[layer, token] of each residual measure."""
    streams = e.streams.double().numpy()
    h, final = streams[1:], streams[-1]
    length = np.sqrt((h**2).sum(-1))
    return {
        "residual_norm": length,
        "residual_update": np.sqrt(((h - streams[:-1]) ** 2).sum(-1)),
        "cosine_to_final": (h * final).sum(-1) / (length * length[-1]),
    }


def assert_near(found, expected, what, tolerance=1e-5):
    """Equal within the tolerance (of the value itself where that is above 1), NaN at the same."""
    found = np.asarray(found, dtype=np.float64)
    assert found.shape == expected.shape, what
    assert (np.isnan(found) == np.isnan(expected)).all(), f"{what}: NaN elsewhere"
    off = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    assert np.nanmax(off) <= tolerance, f"{what}: {np.nanmax(off):.3g} off"


def shifted(of_positions):
    """On the token axis: token j has the value of position j − 1, the first none."""
    first = np.full_like(of_positions[..., :1], np.nan)
    return np.concatenate([first, of_positions], axis=-1)
