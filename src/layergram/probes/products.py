"""Products of a matrix with itself, which need half the work of other products."""

from __future__ import annotations

import torch
from torch import Tensor


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
