"""Photographs as networks take them."""

import torch
from torch import Tensor


def random_tensor(*shape: int, seed: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    """Uniform in [-1, 1]."""
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 2 - 1
