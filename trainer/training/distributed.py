"""Lets several processes, started by torchrun, train together. With a single process the functions do nothing.

Gradients are averaged explicitly, in one flat message per network and step. DistributedDataParallel cannot be used: the gradient
penalty differentiates twice, several critic steps share one forward pass, and its hooks allow neither. All processes have the
same number of samples. If no layer and no loss mixes samples, w processes compute the same as one process with a batch w times as
large, except for the order of sums and for the masks of dropout.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from blurkit.errors import UsageError


@dataclass(frozen=True)
class Ranks:
    """``rank``: the number of this process, from 0. ``world``: the number of processes."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files and prints messages."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes. The tensors, if there are any, are float and on one device."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = (flat / self.world).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def gather(self, rows: Tensor) -> Tensor:
        """Returns the rows of a tensor (B, ...) of all processes in the order of the processes, (world * B, ...)."""
        if self.world == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def agree(self, number: int, device: torch.device) -> int:
        """Returns the largest number of all processes. A signal to one process must end all processes at the same step."""
        if self.world == 1:
            return number
        numbers = torch.tensor([number], device=device)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return int(numbers.item())

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.world > 1:
            dist.barrier()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Within the block, connects the processes that torchrun started, if any: over gloo on CPUs, over NCCL on GPUs."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=10))
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"RANK and WORLD_SIZE are set, but the processes cannot connect ({error}); start with torchrun"
        ) from error
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
