"""Symmetric matrices: products of a matrix with itself, their factors and inverses."""

from __future__ import annotations

import torch
from torch import Tensor

from layergram.errors import LayergramError


def symmetric_product(x: Tensor) -> Tensor:
    """x.T @ x; on a processor by numpy, which sees that it is symmetric and works out one half.

    Args:
        x: numbers [row, column].

    Returns:
        [column, column], symmetric to the last bit on a processor.

    Example:
        >>> symmetric_product(torch.tensor([[1.0, 2.0], [0.0, 1.0]])).tolist()
        [[1.0, 2.0], [2.0, 5.0]]
    """
    if x.device.type != "cpu":
        return x.T @ x
    array = x.numpy()
    return torch.from_numpy(array.T @ array)


def inverted(matrix: Tensor) -> Tensor:
    """Inverse of a symmetric matrix that is positive, but for rounding; see :func:`factor`."""
    return torch.cholesky_inverse(factor(matrix))


def factor(matrix: Tensor) -> Tensor:
    """The lower Cholesky factor of a symmetric matrix that is positive, but for rounding.

    Where rounding has made it indefinite, the least of 1e-6, 1e-5, … times the mean of the diagonal
    that mends it is added to the diagonal; to zeros, 1.

    Raises:
        LayergramError: where numbers are not finite.
    """
    jitter = 0.0
    for _ in range(8):
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            return lower
        mean = float(matrix.diagonal().mean())
        jitter = max(10 * jitter, 1e-6 * mean if mean else 1.0)
        matrix = matrix + jitter * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    raise LayergramError(
        "probes",
        got="features whose products are not finite",
        do="check the features, or use scale 'standard'",
    )
