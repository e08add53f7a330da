"""Measures of the residual stream: how large it is, how it moves, where it points."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity

from layergram.engine.reducers import LayerColumns
from layergram.engine.views import ResidualView
from layergram.measures.registry import measure

FEW_DIMENSIONS = (
    "A few dimensions with very large values can carry most of a residual stream's length; the "
    "first token is often many times longer than the others."
)


@measure(
    "residual",
    long_name="norm of the residual stream",
    units="1",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    reducer=LayerColumns,
    caveat=FEW_DIMENSIONS,
)
def residual_norm(view: ResidualView) -> Tensor:
    """Euclidean norm of the residual stream after a layer.

    ‖h[t, l]‖ in the units of the model's own activations, before any norm.

    Returns:
        [layer, token].
    """
    return view.streams[1:].norm(dim=-1)


@measure(
    "residual",
    long_name="update of the residual stream",
    units="1",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    reducer=LayerColumns,
    caveat=FEW_DIMENSIONS,
)
def residual_update(view: ResidualView) -> Tensor:
    """Euclidean norm of what a layer adds to the residual stream.

    ‖h[t, l] − h[t, l−1]‖, with h[t, 0] the embedding.

    Returns:
        [layer, token].
    """
    return view.streams.diff(dim=0).norm(dim=-1)


@measure(
    "residual",
    long_name="cosine with the final residual stream",
    units="1",
    valid_min=-1.0,
    valid_max=1.0,
    alignment="reads",
    final_value=1.0,
    reducer=LayerColumns,
    caveat=FEW_DIMENSIONS,
)
def cosine_to_final(view: ResidualView) -> Tensor:
    """Cosine of the angle between the residual stream after a layer and after the last one.

    h[t, l]·h[t, L] / (‖h[t, l]‖ ‖h[t, L]‖), 1 at the last layer by definition.

    Returns:
        [layer, token].
    """
    return cosine_similarity(view.streams[1:], view.streams[-1:], dim=-1)
