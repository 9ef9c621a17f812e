"""Chooses the device to compute on, and gives advice if its memory is too small."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from blurkit.errors import BlurkitError, nearest
from blurkit.program.checks import require
from blurkit.program.progress import plural


def choose_device(name: str = "auto") -> tuple[torch.device, str]:
    """Returns the device for "auto", "cpu", "cuda" or a GPU such as "cuda:1", and the reason in words.

    Without a number, each process that torchrun started uses its own GPU. Raises :class:`UsageError` if there is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    missing = "this torch is built for the CPU only" if torch.version.cuda is None else "torch finds no CUDA driver or no GPU"
    kind, dot, number = name.partition(":")
    valid = kind in ("auto", "cpu", "cuda") and (not dot or (kind == "cuda" and number.isdecimal()))
    require(valid, f"--device is auto, cpu, cuda or cuda:N, got {name!r}{nearest(kind, ('auto', 'cpu', 'cuda'))}")
    if kind == "cpu" or (kind == "auto" and not count):
        reason = "as requested" if kind == "cpu" else f"no GPU found: {missing}"
        return torch.device("cpu"), f"cpu with {plural(torch.get_num_threads(), 'thread')} ({reason})"
    index = int(number) if dot else int(os.environ.get("LOCAL_RANK", "0"))
    available = f"this machine has {plural(count, 'GPU')}, numbered from cuda:0" if count else f"there is no GPU: {missing}"
    require(index < count, f"--device {name}: {available}; use --device cpu, or start fewer processes")
    properties = torch.cuda.get_device_properties(index)
    torch.cuda.set_device(index)  # graphs and libraries use the current GPU, not that of a tensor
    reason = "as requested" if kind == "cuda" else "the first GPU" if index == 0 else "the GPU of this process"
    return torch.device("cuda", index), f"cuda:{index}, {properties.name}, {properties.total_memory / 1e9:.0f} GB ({reason})"


@contextlib.contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Within the block, an out-of-memory error becomes a :class:`BlurkitError` that gives the advice."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BlurkitError(f"out of GPU memory; {advice}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise BlurkitError(f"out of memory; {advice}") from error
        raise
