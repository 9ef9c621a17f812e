"""Several processes that train together, started by torchrun; alone, everything here does nothing.

Gradients are averaged by hand, as one flat message per network and step: the gradient penalty differentiates twice, and several
critic steps share one forward pass, neither of which DistributedDataParallel's hooks allow. As each process has equally many
samples and no layer mixes samples, w processes compute what one does with a batch w times as large, but for the order of sums
(and dropout, whose masks differ).
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
    """Which process this is, ``rank``, of ``world``."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over all processes into each tensor; float, on one device."""
        if self.world == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = (flat / self.world).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, number: int, device: torch.device) -> int:
        """The largest of all processes' numbers: a signal to one must end all at the same step."""
        if self.world == 1:
            return number
        numbers = torch.tensor([number], device=device)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return int(numbers.item())

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Within the block this process is one of those that torchrun started, where it was; over gloo on the CPU, nccl on GPUs."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=10))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"RANK and WORLD_SIZE are set, yet the processes do not meet ({error}); start with torchrun") from error
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
