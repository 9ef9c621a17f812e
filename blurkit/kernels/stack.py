"""Kernels of different sizes as one array, as networks and other programs take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blurkit.camera.arrays import F32
from blurkit.errors import UsageError


def stacked(kernels: Sequence[F32], side: int | None = None) -> F32:
    """Kernels as one array, float32 ``(N, k, k)``, k odd, each in the middle of its plane, with zeros around it.

    ``kernels``: float32 ``(h, w)`` with odd sides. ``side``: k, an odd number; by default the smallest that holds every kernel.
    Raises :class:`UsageError` if ``side`` is even, or too small for a kernel, because a kernel is never cut off.
    """
    most = max((max(kernel.shape) for kernel in kernels), default=1)
    side = most if side is None else side
    if side < most or side % 2 == 0:
        raise UsageError(f"the side of a stack of kernels is odd and at least that of the largest, {most} pixels; got {side}")
    stack = np.zeros((len(kernels), side, side), np.float32)
    for plane, kernel in zip(stack, kernels, strict=True):
        top, left = ((side - length) // 2 for length in kernel.shape)
        plane[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return stack
