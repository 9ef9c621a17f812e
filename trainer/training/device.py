"""Where to compute, and what to do where its memory does not suffice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from blurkit.errors import BlurkitError, nearest
from blurkit.program.checks import require
from blurkit.program.progress import plural


def choose_device(name: str = "auto") -> tuple[torch.device, str]:
    """The device that "auto", "cpu", "cuda" or "cuda:1" means here, and the reason in words.

    Without a number, processes that torchrun started take a GPU each. Raises :class:`UsageError` for a device that is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    missing = "this torch is built for the CPU alone" if torch.version.cuda is None else "torch sees no CUDA driver and card"
    kind, dot, number = name.partition(":")
    good = kind in ("auto", "cpu", "cuda") and (not dot or (kind == "cuda" and number.isdecimal()))
    require(good, f"--device is auto, cpu, cuda or cuda:N, got {name!r}{nearest(kind, ('auto', 'cpu', 'cuda'))}")
    if kind == "cpu" or (kind == "auto" and not count):
        reason = "as asked" if kind == "cpu" else f"no GPU found: {missing}"
        return torch.device("cpu"), f"cpu with {plural(torch.get_num_threads(), 'thread')} ({reason})"
    index = int(number) if dot else int(os.environ.get("LOCAL_RANK", "0"))
    found = f"{count} GPUs are there, from cuda:0 on" if count else f"no GPU is there: {missing}"
    require(index < count, f"--device {name}: {found}; use --device cpu, or fewer processes")
    properties = torch.cuda.get_device_properties(index)
    reason = "as asked" if kind == "cuda" else "the first GPU" if index == 0 else "this process's GPU"
    return torch.device("cuda", index), f"cuda:{index}, {properties.name}, {properties.total_memory / 1e9:.0f} GB ({reason})"


@contextlib.contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Within the block, running out of memory ends in an error that says what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BlurkitError(f"out of GPU memory; {advice}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise BlurkitError(f"out of memory; {advice}") from error
        raise
