"""Compares :class:`blurkit.torch.RandomBlur` with kornia's ``filter2d``, for ``blurkit bench torch``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from kornia.filters import filter2d
from numpy.typing import NDArray

from blurkit.kernels.bank import KernelBank
from blurkit.program.benchmark import Figure, times
from blurkit.recipes.load import load_recipe
from blurkit.torch.random_blur import RandomBlur


def figures(images: NDArray[np.uint8], kernel: NDArray[np.float32], canvas: NDArray[np.float32]) -> Iterator[Figure]:
    """The figures for a batch of images, (B, H, W, 3), and a kernel, alone and flipped on a canvas, as ``filter2d`` takes it.

    ``RandomBlur`` draws, decodes, blurs and encodes; ``filter2d`` only correlates. Both run on one thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        codes = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        floats, count = codes / 255, len(images)
        with tempfile.TemporaryDirectory() as folder:
            bank = Path(folder) / "kernel.npz"
            KernelBank.from_arrays([kernel]).save(bank)
            module = RandomBlur(load_recipe("bank", [f"kernels={bank}", "kernel.anchor=stored"]), seed=0)
            wide, tight = (
                torch.from_numpy(np.ascontiguousarray(taps)).expand(count, -1, -1) for taps in (canvas, kernel[::-1, ::-1])
            )
            ours, ours_in_floats, theirs, theirs_tight = times(
                lambda: module(codes),
                lambda: module(floats),
                lambda: filter2d(floats, wide),
                lambda: filter2d(floats, tight),
                repeats=5,
            )
    finally:
        torch.set_num_threads(threads)
    batch = f"{count} x {images.shape[1]} px"
    side, least = len(canvas), len(kernel)
    yield Figure(f"RandomBlur over kornia's filter2d, {side}x{side} canvas, codes, {batch}", theirs / ours, 5, "x")
    yield Figure(f"the same with float images, {batch}", theirs / ours_in_floats, 5, "x")
    yield Figure(f"the same, codes, filter2d with the kernel cut to {least}x{least}", theirs_tight / ours, 1, "x")
