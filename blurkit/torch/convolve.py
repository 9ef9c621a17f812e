"""Uniform blur of a batch: each image is convolved with a kernel of its own.

The convention is that of :mod:`blurkit.blurring.convolve`: a true convolution, with kernels indexed by displacement, and with
images reflected at their border without the border's pixel repeated (reflect101). All functions are differentiable.
"""

from __future__ import annotations

import scipy.fft
import torch
from torch import Tensor

from blurkit.program.checks import require
from blurkit.truth.box import Box

#: Up to this side of the kernels, a direct convolution is faster than Fourier transforms (two cores, 256 px).
DIRECT_SIDE = 13


def blur(light: Tensor, kernels: Tensor, *, box: tuple[int, int, int, int] | None = None) -> Tensor:
    """Convolve each image of a batch with its kernel.

    ``light``: linear light, floating point ``(B, C, H, W)``, on any device. ``kernels``: ``(B, k, k)``, or ``(1, k, k)`` for all
    images, k odd, indexed by displacement, with the centre as displacement 0; converted to the dtype and the device of the
    light. ``box``: (y, x, h, w), the part of the blurred images to return, by default all of them.

    Returns ``(B, C, h, w)``. In float32 it equals :func:`blurkit.blur` to about 1e-6 of the largest light. Gradients flow to
    both arguments. Raises :class:`blurkit.errors.UsageError` for other shapes and dtypes.
    """
    check_light(light)
    good = kernels.ndim == 3 and kernels.shape[0] in (1, len(light)) and kernels.shape[1] == kernels.shape[2]
    given = tuple(kernels.shape)
    require(good and kernels.shape[1] % 2 == 1, f"kernels are ({len(light)}, k, k) or (1, k, k), k odd; got {given}")
    kernels = kernels.to(light).expand(len(light), -1, -1)
    y, x, height, width = Box.of(box, light.shape[2:])
    reach = kernels.shape[1] // 2
    rows = torch.arange(y - reach, y + height + reach, device=light.device)
    columns = torch.arange(x - reach, x + width + reach, device=light.device)
    return convolved(taken(taken(light, rows, 2), columns, 3), kernels)


def check_light(light: Tensor) -> None:
    """Raise :class:`blurkit.errors.UsageError` unless a tensor is a batch of images in floating point."""
    good = isinstance(light, Tensor) and light.ndim == 4 and light.is_floating_point() and light.numel() > 0
    given = f"{light.dtype} {tuple(light.shape)}" if isinstance(light, Tensor) else type(light).__name__
    require(good, f"light is a floating-point tensor (B, C, H, W), got {given}")


def taken(images: Tensor, places: Tensor, axis: int) -> Tensor:
    """The rows or the columns of images at these places. Places outside the image are reflected into it, as often as needed."""
    period = max(2 * (images.shape[axis] - 1), 1)
    turned = places.remainder(period)
    return images.index_select(axis, torch.minimum(turned, period - turned))


def convolved(images: Tensor, kernels: Tensor) -> Tensor:
    """The pixels of ``images * kernel`` that need no pixel outside: ``(B, C, H, W)`` and ``(B, k, k)`` give
    ``(B, C, H - k + 1, W - k + 1)``."""
    batch, channels, *shape = images.shape
    side = kernels.shape[-1]
    height, width = shape[0] - side + 1, shape[1] - side + 1
    if side <= DIRECT_SIDE:
        weights = kernels.flip(-2, -1).repeat_interleave(channels, 0).unsqueeze(1)
        planes = images.reshape(1, batch * channels, *shape)
        return torch.nn.functional.conv2d(planes, weights, groups=batch * channels).reshape(batch, channels, height, width)
    sides = [scipy.fft.next_fast_len(length, real=True) for length in shape]
    spectrum = torch.fft.rfft2(images, s=sides) * torch.fft.rfft2(kernels, s=sides).unsqueeze(1)
    # Beyond the first k - 1 rows and columns, the circular convolution is the true one.
    return torch.fft.irfft2(spectrum, s=sides)[..., side - 1 : side - 1 + height, side - 1 : side - 1 + width]
