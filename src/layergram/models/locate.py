"""Where the parts of a model are, found by watching one forward pass, without a line per model.

The layers are the longest list of modules that runs in order. The final norm turns the last layer's
output into the unembedding's input. What the model does to its logits afterwards is read off by
planting known logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.hooks import (
    first_tensor,
)
from layergram.models.locate_attention import (
    find_attention,
    find_kv_groups,
    output_projections,
    same,
)
from layergram.models.parts import Call, Parts, Readout

REPORT = "this architecture needs code of its own: report its name"

# what a model may do between two modules of its head without a module of its own
ACTIVATIONS = (nn.GELU(), nn.GELU("tanh"), nn.ReLU(), nn.SiLU(), nn.Tanh())

SAMPLE_TOKENS = 12


def sample_ids(network: Any) -> Tensor:
    """Tokens [1, n] to try a model out on: spread over its vocabulary, and the same every time."""
    ids = torch.arange(1, SAMPLE_TOKENS + 1) * 7919 % vocabulary(network)
    return ids[None].to(network.get_input_embeddings().weight.device)


def vocabulary(network: Any) -> int:
    """Number of token ids that a model has an embedding for."""
    embedding = network.get_input_embeddings()
    return int(getattr(embedding, "num_embeddings", None) or embedding.weight.shape[0])


@contextmanager
def watched(
    network: nn.Module, *, keep: Callable[[Tensor], Tensor] = lambda tensor: tensor
) -> Iterator[list[Call]]:
    """The list of all module calls inside the block, in the order in which they end.

    ``keep=torch.clone`` keeps what was handed on as it was, where a model goes on to change it.
    """
    calls: list[Call] = []

    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given = [*args, *kwargs.values()]
        taken = next((v for v in given if isinstance(v, Tensor) and v.is_floating_point()), None)
        handed = output if isinstance(output, tuple | list) else (output,)
        made = next((v for v in handed if isinstance(v, Tensor)), None)
        calls.append(Call(module, taken, None if made is None else keep(made)))

    with ExitStack() as stack:
        for module in network.modules():
            stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield calls


def locate_parts(network: nn.Module, ids: Tensor, *, name: str) -> Parts:
    """Find the parts of a causal language model by running it on ``ids`` [1, n].

    Raises:
        LayergramError: naming the model, the part that was not found and what to do.
    """
    head = network.get_output_embeddings()  # type: ignore[operator]
    if head is None:
        raise _lost(name, "unembedding", "get_output_embeddings() returns nothing")
    with torch.no_grad(), watched(network) as calls:
        try:
            logits = network(input_ids=ids, use_cache=False).logits
        except Exception as error:  # the model's own code can raise anything
            raise LayergramError(
                f"a forward pass of the model '{name}' in {_dtype(network)}".replace("torch.", ""),
                got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                allowed="a model that reads 12 tokens",
                do="check the model by itself, or load it with dtype 'float32'",
            ) from error
    if logits.isnan().any():
        raise _overflow(network, calls, name)
    layers = _layers(network, calls, name)
    readout = _readout(network, ids, calls, layers, head, name)
    way, attention, heads = find_attention(network, ids, layers)
    projections = output_projections(network, ids, calls, attention, heads, way=way)
    # late, because some models put other modules in place when they first run
    names = {module: path for path, module in network.named_modules()}
    kv_groups = find_kv_groups(network, ids, heads)
    return Parts(
        tuple(layers),
        attention,
        way,
        heads,
        kv_groups,
        tuple(
            0 if module is None else _input_of(calls, module).shape[-1] // count
            for module, count in zip(projections, heads, strict=True)
        ),
        projections,
        readout,
        _input_of(calls, layers[-1]).shape[-1],
        names,
        _positions(network, calls),
    )


def _input_of(calls: list[Call], module: nn.Module) -> Tensor:
    return next(c.input for c in calls if c.module is module and c.input is not None)


def _lost(name: str, part: str, got: str, *, do: str = REPORT) -> LayergramError:
    return LayergramError(f"the {part} of the model '{name}'", got=got, do=do, exit_code=2)


def _overflow(network: nn.Module, calls: list[Call], name: str) -> LayergramError:
    """Logits that are not numbers: where this began, and in which type."""
    names = {module: path for path, module in network.named_modules()}
    began = next(
        c for c in calls if c.output is not None and not bool(torch.isfinite(c.output).all())
    )
    kind = str(began.output.dtype if began.output is not None else "").removeprefix("torch.")
    return LayergramError(
        f"the logits of the model '{name}'",
        got=f"NaN: activations leave the range of {kind} in '{names[began.module]}'",
        allowed="finite activations",
        do="load the model with dtype 'float32' or 'bfloat16'"
        if kind == "float16"
        else "check the weights of that module",
        exit_code=2,
    )


def _positions(network: nn.Module, calls: list[Call]) -> int | None:
    """How many tokens the table of positions has rows for, the rows that it leaves out not counted.

    A table is an embedding, other than that of the tokens, that handed on rows in their order.
    """
    for call in calls:
        module, made = call.module, call.output
        if not isinstance(module, nn.Embedding) or module is network.get_input_embeddings():  # type: ignore[operator]
            continue
        table = module.weight.detach()
        rows = made.reshape(-1, made.shape[-1]) if made is not None else table[:0]
        if not 2 <= len(rows) <= len(table) or rows.shape[-1] != table.shape[-1]:
            continue
        starts = (table[: len(table) - len(rows) + 1] == rows[0]).all(-1).nonzero().flatten()
        fits = [at for at in starts.tolist() if torch.equal(table[at : at + len(rows)], rows)]
        if len(fits) == 1:
            return len(table) - int(fits[0])
    return None


def _layers(network: nn.Module, calls: list[Call], name: str) -> list[nn.Module]:
    """The longest list of modules of which each reads what the one before it has written."""
    by_module = {call.module: call for call in calls}
    found: list[nn.Module] = []
    for candidate in network.modules():
        if not isinstance(candidate, nn.ModuleList):
            continue
        members = [by_module[m] for m in candidate if m in by_module]
        if len(members) == len(candidate) > len(found) and _chained(members):
            found = list(candidate)
    if not found:
        hooked = [
            path
            for path, module in network.named_modules()
            if path and (module._forward_pre_hooks or module._forward_hooks)
        ]
        if hooked:
            raise _lost(
                name,
                "layers",
                f"hooks on {', '.join(hooked[:3])}, which change what a layer reads",
                do="remove them; a forward hook that changes what a layer hands on can stay",
            )
        raise _lost(name, "layers", "no list of modules that hand on one residual stream in order")
    if sum(call.module in found for call in calls) > len(found):
        raise _lost(name, "layers", "layers that run more than once for one token")
    return found


def _chained(members: list[Call]) -> bool:
    for before, after in pairwise(members):
        if before.output is None or after.input is None or before.output.ndim != 3:
            return False
        if before.output.shape != after.input.shape or not torch.equal(before.output, after.input):
            return False
    last = members[-1].output
    return last is not None and last.ndim == 3 and members[0].input is not None


def _readout(
    network: nn.Module,
    ids: Tensor,
    calls: list[Call],
    layers: list[nn.Module],
    head: nn.Module,
    name: str,
) -> Readout:
    end = next(i for i, call in enumerate(calls) if call.module is layers[-1])
    at_head = next((call for call in calls[end:] if call.module is head), None)
    if at_head is None or at_head.input is None or at_head.output is None:
        raise _lost(name, "unembedding", f"{type(head).__name__} did not run after the last layer")
    path: list[nn.Module] = []
    now = first_tensor(calls[end].output)
    for call in calls[end + 1 :]:
        if call.module is head or same(now.to(at_head.input.dtype), at_head.input):
            break
        leads_on = call.output is not None and call.output.shape[:2] == now.shape[:2]
        between = _between(now, call.input) if leads_on and call.input is not None else None
        if between is not None:
            path += [*between, call.module]
            now = first_tensor(call.output)
    before = _ratio(at_head.input, now.to(at_head.input.dtype))
    if before is None:
        raise _lost(
            name,
            "final norm",
            "an unembedding that reads more than the last layer's output",
        )
    scale, cap = _logit_post_processing(network, ids, head, name)
    width = first_tensor(at_head.output).shape[-1]
    return Readout(tuple(path), head, before * scale, cap, width, at_head.input.dtype)


def _between(before: Tensor, after: Tensor) -> tuple[nn.Module, ...] | None:
    """What turns one tensor into the other: nothing, an activation, or ``None`` if neither does."""
    if same(before, after):
        return ()
    return next(((f,) for f in ACTIVATIONS if same(f(before), after)), None)


def _ratio(a: Tensor, b: Tensor) -> float | None:
    """The number f with a = f·b, or ``None`` if there is none."""
    if a.shape != b.shape:
        return None
    if torch.equal(a, b):
        return 1.0
    wide_a, wide_b = a.double(), b.double()
    factor = float((wide_a * wide_b).sum() / (wide_b * wide_b).sum())
    slack = 8 * torch.finfo(a.dtype).eps * float(wide_a.abs().max())
    return factor if float((wide_a - factor * wide_b).abs().max()) <= slack else None


def _logit_post_processing(
    network: nn.Module, ids: Tensor, head: nn.Module, name: str
) -> tuple[float, float | None]:
    """Scale and soft cap, read off by planting known numbers in the place of the head's output.

    Every position has its own numbers, evenly spaced around 0: large ones at the first, which show
    the cap; small ones at the second, which show the scale; and at the others what tells a soft cap
    from anything else.
    """
    planted: list[Tensor] = []

    def plant(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        sizes = output.new_tensor([2.0**14, 2.0**-6, *[40.0] * (output.shape[1] - 2)])
        ramp = torch.linspace(-1, 1, output.shape[-1]).to(output)
        planted.append((sizes[:, None] * ramp).expand_as(output))
        return planted[-1]

    handle = head.register_forward_hook(plant)
    try:
        with torch.no_grad():
            logits = network(input_ids=ids, use_cache=False).logits
    finally:
        handle.remove()
    given = planted[-1][0, :3].float()
    made = logits[0, :3].float()[:, : given.shape[-1]]
    far, near = (float(size) for size in given[:2].abs().amax(-1))
    most, least = (float(size) for size in made[:2].abs().amax(-1))
    scale = least / near
    cap = most if most < 0.5 * scale * far else None
    if cap is not None:  # the top of a soft cap is flat, so `most` is the cap itself
        scale = float((torch.atanh(made[1].double() / cap) * cap).abs().max()) / near
    tidy = Readout((), head, _tidy(scale), cap, given.shape[-1], given.dtype)
    slack = 16 * torch.finfo(_dtype(network)).eps
    for wanted, row in zip(given, made, strict=True):
        off = float((tidy.finish(wanted) - row).abs().max())
        if row.shape != wanted.shape or off > slack * float(row.abs().max()):
            raise _lost(name, "logits", "a post-processing that is neither a scale nor a soft cap")
    return tidy.scale, cap


def _tidy(scale: float) -> float:
    """The scale without the rounding of its measurement: 1, or a nearby short number."""
    for digits in range(1, 7):
        short = float(f"{scale:.{digits}g}")
        if abs(short - scale) <= 4e-7 * abs(scale):
            return short
    return scale


def _dtype(network: nn.Module) -> torch.dtype:
    return next(p.dtype for p in network.parameters() if p.is_floating_point())
