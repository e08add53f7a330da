"""Where a model's routers are, which send each token to a few of a layer's experts.

Found by watching a few tokens: a module of the layer is handed the chosen experts with their
weights, and another one before it has handed on a number for every expert, of which the weights
are made. Which function of these numbers the weights are is tried out, number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.parts import Parts

MOST_EXPERTS = 4096

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda z: z.softmax(-1),
    "sigmoid": lambda z: z.sigmoid(),
    "square root of softplus": lambda z: nn.functional.softplus(z).sqrt(),
    "probabilities": lambda z: z,
}
"""What routers make of their numbers before some are chosen; the last hand on what is made."""


@dataclass(frozen=True)
class Place:
    """Where a tensor passes: an input or an output of a module.

    Attributes:
        module: the module.
        side: ``input`` or ``output``.
        key: its place among the positional inputs or the outputs, or the name of the input.
    """

    module: nn.Module
    side: str
    key: int | str


@dataclass(frozen=True)
class Router:
    """How one layer sends its tokens to experts.

    Attributes:
        numbers: where the router's numbers for all experts pass.
        weights: where the weights of the chosen experts pass.
        score: a key of :data:`SCORES`: what the numbers become before some are chosen.
        experts: how many experts there are to choose from.
    """

    numbers: Place
    weights: Place
    score: str
    experts: int

    def shares(self, numbers: Tensor) -> Tensor:
        """The distribution over all experts [tokens, experts] in float32; rows sum to 1."""
        scores = SCORES[self.score](numbers.float())
        return scores / scores.sum(-1, keepdim=True)


@dataclass(frozen=True)
class _Passed:
    """A tensor that passed somewhere, one row per token."""

    place: Place
    rows: Tensor


@contextmanager
def capture_routers(routers: Sequence[Router | None]) -> Iterator[dict[Place, Tensor]]:
    """What passes at the routers' places in a forward pass, with one row per token [n · tokens, …].

    Each pass takes the place of the one before.
    """
    seen: dict[Place, Tensor] = {}
    places = [place for router in routers if router for place in (router.numbers, router.weights)]

    def hook_of(own: Sequence[Place]) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            for place in own:
                given = _inputs(args, kwargs) if place.side == "input" else _outputs(output)
                tensor = given[place.key]
                seen[place] = tensor.reshape(-1, tensor.shape[-1])

        return hook

    with ExitStack() as stack:
        for module in {place.module for place in places}:
            hook = hook_of([place for place in places if place.module is module])
            stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield seen
        seen.clear()


def routers_of(network: Any, parts: Parts, ids: Tensor, *, name: str) -> tuple[Router | None, ...]:
    """Find the router of every layer, on the tokens ``ids`` [1, n].

    Raises:
        LayergramError: for a model without experts, and naming the layer whose router is not known.
    """
    tokens = ids.shape[1]
    passed: list[list[_Passed]] = [[] for _ in parts.layers]

    def hook_of(own: list[_Passed]) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            sides = {"input": _inputs(args, kwargs), "output": _outputs(output)}
            for side, given in sides.items():
                for key, tensor in given.items():
                    width = tensor.shape[-1] if tensor.ndim > 1 else 0
                    if 0 < width <= MOST_EXPERTS and tensor.numel() == tokens * width:
                        rows = tensor.reshape(tokens, width).clone()
                        own.append(_Passed(Place(module, side, key), rows))

        return hook

    with torch.inference_mode(mode=False), torch.no_grad(), ExitStack() as stack:
        for layer, own in zip(parts.layers, passed, strict=True):
            for module in layer.modules():
                hook = hook_of(own)
                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        network(input_ids=ids, use_cache=False)
    routers = []
    for layer, own in enumerate(passed, start=1):
        router, chosen = _router(own)
        if chosen and router is None:
            raise _refused(
                name, f"a layer {layer} whose experts' weights are made in a way that is not known"
            )
        routers.append(router)
    if not any(routers):
        raise _refused(
            name, "no layer in which a few experts are seen to be chosen, with a weight for each"
        )
    return tuple(routers)


def _refused(name: str, why: str) -> LayergramError:
    return LayergramError(
        f"routers of the model '{name}'",
        got=why,
        allowed="a mixture-of-experts model, such as mixtral or qwen3_moe",
        do="take other measures",
    )


def _inputs(args: Any, kwargs: Any) -> dict[int | str, Tensor]:
    given = {**dict(enumerate(args)), **kwargs}
    return {key: value for key, value in given.items() if isinstance(value, Tensor)}


def _outputs(output: Any) -> dict[int | str, Tensor]:
    made = output if isinstance(output, tuple | list) else (output,)
    return {at: value for at, value in enumerate(made) if isinstance(value, Tensor)}


@dataclass(frozen=True)
class _Choice:
    """Weights that a layer's tokens give to chosen experts.

    Attributes:
        weights: where they pass.
        picked: [tokens, chosen], the numbers of these experts.
        values: [tokens, chosen], the weights.
        sources: what they may have been made of.
    """

    weights: Place
    picked: Tensor
    values: Tensor
    sources: Sequence[_Passed]


def _router(passed: Sequence[_Passed]) -> tuple[Router | None, bool]:
    """The last router of a layer, and whether there are experts at all."""
    handed = list(_handed_to_experts(passed))
    for choice in (*reversed(handed), *_masked(passed)):
        fits = [
            (off, Router(numbers.place, choice.weights, score, numbers.rows.shape[1]))
            for numbers in choice.sources
            for score, off in _fits(numbers.rows, choice)
        ]
        if fits:
            return min(fits, key=lambda fit: fit[0])[1], True
    return None, bool(handed)


def _handed_to_experts(passed: Sequence[_Passed]) -> Iterator[_Choice]:
    """Inputs of a module that are the numbers of a few experts, and a weight for each."""
    inputs = [one for one in passed if one.place.side == "input"]
    for weights in inputs:
        for picked in inputs:
            if (
                weights.place.module is picked.place.module
                and weights.rows.shape == picked.rows.shape
                and weights.rows.is_floating_point()
                and picked.rows.dtype in (torch.int32, torch.int64)
            ):
                outputs = [one for one in passed if one.place.side == "output"]
                yield _Choice(weights.place, picked.rows.long(), weights.rows.float(), outputs)


def _masked(passed: Sequence[_Passed]) -> Iterator[_Choice]:
    """Outputs of a module that weigh all experts, those that are not chosen with 0."""
    for weights in passed:
        rows = weights.rows
        if weights.place.side == "input" or not rows.is_floating_point():
            continue
        counts = (rows != 0).sum(1)
        chosen = int(counts[0])
        if not 0 < chosen < rows.shape[1] or bool((counts != chosen).any()):
            continue
        beside = [
            one
            for one in passed
            if one.place.side == "output"
            and one.place.module is weights.place.module
            and one.place != weights.place
            and one.rows.shape == rows.shape
        ]
        values, picked = rows.float().topk(chosen)
        yield _Choice(weights.place, picked, values, beside)


def _fits(rows: Tensor, choice: _Choice) -> Iterator[tuple[str, float]]:
    """The functions of a router's numbers that the weights can be made of, with the deviation.

    The weights are in proportion to what the function gives the chosen experts, for each token by
    itself or, where one expert is chosen, for all. Where they are made in another way but the
    chosen experts are those of the largest numbers, the numbers are those of a softmax.
    """
    picked, values = choice.picked, choice.values
    count = rows.shape[1]
    if not rows.is_floating_point() or count <= max(int(picked.max()), picked.shape[1] - 1):
        return
    limit = max(1e-4, 8 * torch.finfo(rows.dtype).eps)
    numbers = rows.float()
    weighed = (values > 0).all(1)  # a token may be sent to no expert
    several = picked.shape[1] > 1
    for score, function in SCORES.items():
        scores = function(numbers)
        if score == "probabilities" and not _is_distribution(scores):
            continue
        ratios = (values / scores.gather(1, picked))[weighed]
        ratios = ratios if several else ratios.T
        if ratios.numel() < 2 or not bool((ratios.isfinite() & (ratios > 0)).all()):
            continue
        off = float((ratios.amax(1) / ratios.amin(1) - 1).max())
        if off <= limit:
            yield score, off
    largest = numbers.topk(picked.shape[1]).indices.sort(1).values
    if torch.equal(largest, picked.sort(1).values):
        yield "softmax", limit


def _is_distribution(rows: Tensor) -> bool:
    """Whether all numbers are at least 0 and each row sums to 1."""
    return bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < 1e-3).all())
