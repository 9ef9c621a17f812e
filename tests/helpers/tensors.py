"""Random photographs as tensors, and the number of threads of torch."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


def random_tensor(*shape: int, seed: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random values, uniform in [-1, 1]."""
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block torch computes on ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
