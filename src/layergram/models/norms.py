"""Norms as what they do to a part of a vector: a linear map, once the vector's size is known."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LARGE = 1e3  # size of the vectors that a norm is read off with, so that its epsilon does not count


@dataclass(frozen=True)
class Norm:
    """A norm written as ``gain * (x - mean(x)) / size(x) + offset``, in float32.

    Attributes:
        module: a copy of the module, in float32.
        gain: [d].
        offset: [d], what it makes of 0.
        centre: ``"mean"`` for a norm that takes the mean away, ``"none"`` for one that does not.
    """

    module: nn.Module
    gain: Tensor
    offset: Tensor
    centre: str

    def direction(self, x: Tensor) -> Tensor:
        """``gain * (x - mean(x))``, what the norm puts out but for size and offset."""
        return self.gain * self._centred(x)

    def size(self, x: Tensor) -> Tensor:
        """The size [..., 1] that the norm divides x [..., d] by."""
        made, of = self.module(x) - self.offset, self.direction(x)
        return (of * of).sum(-1, keepdim=True) / (made * of).sum(-1, keepdim=True)

    def pulled_back(self, g: Tensor, x: Tensor) -> Tensor:
        """What a direction g [..., d] behind the norm is before it, with the size of x held fast.

        A part c of x becomes ``gain * (c - mean(c)) / size(x)`` behind the norm; its product with
        g is the product of c with the direction that is returned.
        """
        return self._centred(self.gain * g) / self.size(x)

    def _centred(self, x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True) if self.centre == "mean" else x


def norm_of(module: nn.Module, like: Tensor) -> Norm | None:
    """The module as a norm, if it is one: tried on ``like`` [n, d] and on vectors of other sizes.

    Returns:
        ``None`` for a module that is not of this form.
    """
    module = copy.deepcopy(module).float()
    like = like.float()
    d = like.shape[-1]
    ramp = LARGE * (1 + torch.arange(d, device=like.device) / d)
    ramp = torch.where(torch.arange(d, device=like.device) % 2 == 0, ramp, -ramp)
    try:
        offset = module(torch.zeros_like(ramp))
        made, lifted = module(ramp) - offset, module(ramp + LARGE) - offset
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError):
        return None
    if not isinstance(made, Tensor) or made.shape != ramp.shape:
        return None
    centre = "mean" if torch.allclose(made, lifted, rtol=1e-3, atol=1e-5) else "none"
    unit = ramp - ramp.mean() if centre == "mean" else ramp
    found = Norm(module, made / unit * LARGE, offset, centre)
    return found if _holds(found, like) else None


def _holds(norm: Norm, like: Tensor) -> bool:
    """Whether the formula gives what the module does, to 1e-4 of the largest number."""
    noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
    for x in (like, noise, 30 * noise, like + noise):
        made = norm.module(x)
        formula = norm.direction(x) / norm.size(x) + norm.offset
        if not torch.allclose(made, formula, rtol=1e-4, atol=1e-4 * float(made.abs().max())):
            return False
        if not bool((norm.size(x) > 0).all()):
            return False
    return True
