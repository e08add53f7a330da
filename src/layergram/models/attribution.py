"""What each head adds to the logit of a token by itself, along the residual stream.

A head's numbers pass the output projection and join the residual stream, which carries them
unchanged to the final norm and the unembedding. With the sizes that norms divide by held at their
actual values this way is linear. That a model's layers are built so is not assumed but found out
on a few tokens: the layer's output has to be its input, plus a multiple of what attention hands on,
plus a multiple of what one other module hands on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from layergram.errors import LayergramError
from layergram.models.hooks import capture_residual
from layergram.models.locate import watched
from layergram.models.norms import Norm, norm_of
from layergram.models.parts import Call, Parts, Readout

SAMPLE = 4096  # numbers of a residual stream that a sum is tried on
LEAST = 1e-3  # a smaller multiple says that attention is not what was added


@dataclass(frozen=True)
class Write:
    """How a layer's heads get into the residual stream: projected, normed perhaps, multiplied.

    Attributes:
        projection: the output projection.
        factor: what the layer multiplies it with.
        norm: the norm between, or ``None``.
    """

    projection: nn.Module
    factor: float
    norm: Norm | None

    @property
    def matrix(self) -> Tensor:
        """[heads · d_head, d] in float32: the rows of W_O, head by head."""
        weight: Tensor = self.projection.weight.float()  # type: ignore[assignment,operator]
        return weight if isinstance(self.projection, Conv1D) else weight.T

    def project(self, outputs: Tensor) -> Tensor:
        """The projection [n, d] of the outputs [n, heads · d_head] of all heads."""
        bias = getattr(self.projection, "bias", None)
        made = outputs @ self.matrix
        return made if bias is None else made + bias.float()

    def pulled_back(self, g: Tensor, outputs: Tensor) -> Tensor:
        """A direction g [n, d] of the stream as one of the head outputs [n, heads · d_head]."""
        if self.norm is not None:
            g = self.norm.pulled_back(g, self.project(outputs))
        return self.factor * g @ self.matrix.T


@dataclass(frozen=True)
class Attribution:
    """The direct way from the heads of a model to its logits.

    Attributes:
        readout: from the last residual stream to the logits.
        norm: the final norm; ``None`` for a model without.
        mean_row: [d], the mean row of the unembedding.
        writes: for each layer how its heads get into the stream; ``None`` where it has none.
    """

    readout: Readout
    norm: Norm | None
    mean_row: Tensor
    writes: tuple[Write | None, ...]

    def towards(self, final: Tensor, next_ids: Tensor) -> Tensor:
        """Directions [n, d] in which the stream raises the logit of the token that follows.

        The logit is taken before a soft cap and against the mean logit of the vocabulary.

        Args:
            final: [n, d], the residual stream after the last layer.
            next_ids: [n], the token that follows; NaN comes back where it is −1.
        """
        rows = self.readout.unembedding.weight[next_ids.clamp(min=0)].float()  # type: ignore[index]
        g = self.readout.scale * (rows - self.mean_row)
        if self.norm is not None:
            g = self.norm.pulled_back(g, final.float())
        return torch.where(next_ids[:, None] >= 0, g, torch.nan)

    def of_heads(self, layer: int, outputs: Tensor, towards: Tensor) -> Tensor:
        """How much each number of the heads' outputs counts [n, heads, d_head].

        Args:
            layer: number of the layer, from 1.
            outputs: [n, heads, d_head], what its heads hand on, float32.
            towards: [n, d], from :meth:`towards`.
        """
        write = self.writes[layer - 1]
        assert write is not None, "heads were captured, so there is an output projection"
        g = towards.to(outputs.device)
        return write.pulled_back(g, outputs.flatten(1)).view_as(outputs)


def attribution_of(network: Any, parts: Parts, ids: Tensor, *, name: str) -> Attribution:
    """Find the direct way of every head, on the tokens ``ids`` [1, n].

    Raises:
        LayergramError: with the reason, where the way is another than this module knows.
    """
    if not any(projection is not None for projection in parts.projections):
        raise _refused(name, "no layer with an output projection of separate heads")
    with torch.inference_mode(mode=False), torch.no_grad():
        with watched(network, keep=torch.clone) as calls, capture_residual(parts.layers) as streams:
            network(input_ids=ids, use_cache=False)
            norm = _final_norm(parts.readout, streams[-1][0], name)
            head = next(call for call in calls if call.module is parts.readout.unembedding)
            if not _is_unembedding(head):
                raise _refused(
                    name, "an unembedding whose logits are not its weights times a stream"
                )
            writes = tuple(
                _write(parts, layer, calls, streams[layer - 1], streams[layer], name)
                for layer in range(1, len(parts.layers) + 1)
            )
        weight: Tensor = parts.readout.unembedding.weight  # type: ignore[assignment]
        mean = weight.mean(0, dtype=torch.float32)
    return Attribution(parts.readout, norm, mean, writes)


def _refused(name: str, why: str) -> LayergramError:
    return LayergramError(
        f"what each head of the model '{name}' adds to a logit",
        got=why,
        do="take a measure of attention, or ablate the heads",
    )


def _final_norm(readout: Readout, h: Tensor, name: str) -> Norm | None:
    if not readout.path:
        return None
    norm = norm_of(readout.path[0], h) if len(readout.path) == 1 else None
    if norm is None:
        kinds = ", ".join(type(module).__name__ for module in readout.path)
        raise _refused(name, f"a way from the last layer to the logits ({kinds}) that is no norm")
    return norm


def _write(
    parts: Parts, layer: int, calls: Sequence[Call], before: Tensor, after: Tensor, name: str
) -> Write | None:
    """How the heads of a layer join its residual stream, checked number by number."""
    inside = set(parts.layers[layer - 1].modules()) - {parts.layers[layer - 1]}
    own = [call for call in calls if call.module in inside and _fits(call.output, after)]
    projection = parts.projections[layer - 1]
    if projection is None:
        if parts.heads[layer - 1] or _sum_of(before, after, own, own) is None:
            raise _refused(name, f"a layer {layer} that does more than add to its input")
        return None
    at = next((i for i, call in enumerate(own) if call.module is projection), None)
    if at is None or not is_matrix(own[at]):
        raise _refused(name, f"a layer {layer} whose output projection is no matrix")
    behind = [own[at]]
    for call in own[at + 1 :]:
        if _equal(call.input, own[at].output) and not _equal(call.output, own[at].output):
            behind.append(call)
    found = _sum_of(before, after, behind, own)
    if found is None:
        why = f"a layer {layer} that is not its input, its attention and one more module, added up"
        raise _refused(name, why)
    joined, factor = found
    norm = None
    if joined is not own[at]:
        norm = norm_of(joined.module, _rows(own[at].output))
        if norm is None:
            kind = type(joined.module).__name__
            raise _refused(name, f"a {kind} behind the attention of layer {layer} that is no norm")
    return Write(projection, factor, norm)


def _rows(x: Tensor | None) -> Tensor:
    assert x is not None
    return x.reshape(-1, x.shape[-1])


def _fits(x: Tensor | None, like: Tensor) -> bool:
    return x is not None and x.is_floating_point() and _rows(x).shape == _rows(like).shape


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    return (
        a is not None
        and b is not None
        and a.numel() == b.numel()
        and torch.equal(_rows(a), _rows(b))
    )


def _is_unembedding(call: Call) -> bool:
    """Whether the logits, of some 4,096 tokens, are the rows of the weight times the input."""
    weight = getattr(call.module, "weight", None)
    if call.input is None or call.output is None or not isinstance(weight, Tensor):
        return False
    size, width = call.output.shape[-1], call.input.shape[-1]
    if weight.shape != (size, width) or not weight.is_floating_point():
        return False
    pick = torch.linspace(0, size - 1, min(size, SAMPLE), device=weight.device).long()
    made = _rows(call.input).float() @ weight[pick].float().T
    bias = getattr(call.module, "bias", None)
    return near(made if bias is None else made + bias[pick].float(), _rows(call.output)[:, pick])


def is_matrix(call: Call) -> bool:
    """Whether the projection's output is its input times its weight, plus its bias."""
    weight = getattr(call.module, "weight", None)
    if call.input is None or call.output is None or not isinstance(weight, Tensor):
        return False
    shape = (call.input.shape[-1], call.output.shape[-1])
    turned = shape if isinstance(call.module, Conv1D) else shape[::-1]
    if weight.shape != turned or not weight.is_floating_point():
        return False
    return near(
        Write(call.module, 1.0, None).project(_rows(call.input).float()), _rows(call.output)
    )


def near(made: Tensor, output: Tensor) -> bool:
    """Equal to within the rounding of the output's type."""
    off = (made - output.float()).abs().max()
    slack = 8 * torch.finfo(output.dtype).eps
    return bool(float(off) <= max(1e-4, slack) * max(1.0, float(made.abs().max())))


def _sum_of(
    before: Tensor, after: Tensor, first: Sequence[Call], second: Sequence[Call]
) -> tuple[Call, float] | None:
    """Which of ``first`` joins the stream, and times what, if the rest is one of ``second``.

    ``after = before + factor · first + other · second``, to the rounding of each number.
    """
    size = before.numel()
    pick = torch.linspace(0, size - 1, min(size, SAMPLE)).long()

    def numbers(x: Tensor | None) -> Tensor:
        assert x is not None
        return x.reshape(-1)[pick.to(x.device)].double().cpu()

    start, end = numbers(before), numbers(after)
    eps = torch.finfo(after.dtype).eps
    for call in first:
        part = numbers(call.output)
        for other in (None, *second):
            parts = torch.stack([part] if other is None else [part, numbers(other.output)], 1)
            # each number counts by its rounding: a few are a thousand times larger than the rest
            rounding = eps * (start.abs() + end.abs() + parts.abs().sum(1)) + 1e-30
            weighed = (end - start) / rounding
            fitted = torch.linalg.lstsq(parts / rounding[:, None], weighed[:, None]).solution
            factors = torch.tensor(
                [_short(float(factor), eps) for factor in fitted], dtype=end.dtype
            )
            off = (end - start - parts @ factors).abs()
            if bool((off <= rounding).all()) and abs(factors[0]) > LEAST:
                return call, float(factors[0])
    return None


def _short(factor: float, eps: float) -> float:
    """The factor without the rounding of its measurement: a short number, if one is near."""
    for digits in range(1, 7):
        short = float(f"{factor:.{digits}g}")
        if abs(short - factor) <= eps * abs(factor):
            return short
    return factor
