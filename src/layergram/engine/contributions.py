"""Whether what attention and MLP hand on is what they add to the residual stream, tried out."""

from __future__ import annotations

from itertools import pairwise

import torch

from layergram.engine.batch import forward
from layergram.errors import LayergramError
from layergram.models.hooks import capture_residual
from layergram.models.layer_parts import capture_parts
from layergram.models.locate import sample_ids
from layergram.models.model import Model


def check_contributions(model: Model, at: str) -> None:
    """Refuse to read the outputs of a part that are not what it adds to the residual stream.

    In every layer, on a few tokens, the stream after it has to be the stream before it plus the
    outputs of its attention and of its MLP, up to rounding.

    Args:
        model: the model.
        at: ``attention`` or ``mlp``.

    Raises:
        LayergramError: for a model in which a part is missing, or the sum is another.
    """
    ids = sample_ids(model.network).to(model.device)
    with (
        torch.inference_mode(),
        capture_residual(model.parts.layers) as streams,
        capture_parts(model, "attention_output") as attention,
        capture_parts(model, "mlp") as mlp,
    ):
        forward(model, ids, cache=None, keep=False, extra={})
        slack = max(1e-5, 8 * torch.finfo(streams[0].dtype).eps)
        for layer, (before, after) in enumerate(pairwise(streams), start=1):
            added = [one[layer - 1].to(after.device).float() for one in (attention, mlp)]
            off = (before.to(after.device).float() + added[0] + added[1] - after.float()).abs()
            size = max(1.0, float(after.abs().max()))
            if not float(off.max()) <= slack * size:
                raise LayergramError(
                    f"a lens on the {at} outputs of the model '{model.name}'",
                    got=f"an architecture ({model.model_type}) in whose layer {layer} attention "
                    "and MLP outputs are not all that is added to the residual stream "
                    f"(a deviation of {float(off.max()):.2g})",
                    allowed="a model whose layers add both outputs as they are",
                    do="read the residual stream (at 'residual')",
                )
