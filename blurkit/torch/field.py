"""Spatially varying blur of a batch: each pixel gathers its light with the kernel that a field has at the pixel.

The field is a lattice of kernels, blended bilinearly, as in :mod:`blurkit.truth.kernel_field`. The window of a node is the part
of the image where the node has a weight. It is convolved with the kernel of the node, multiplied by the weights, and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blurkit.program.checks import require
from blurkit.torch.convolve import check_light, convolved, taken
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField, cells


@dataclass(frozen=True, eq=False)
class Field:
    """A lattice of kernels. ``y``: the rows of the nodes in pixels, increasing, float64 ``(Ny,)``. ``x``: their columns, float64
    ``(Nx,)``. ``kernels``: a tensor ``(Ny, Nx, k, k)``, k odd, indexed by displacement, which can require a gradient."""

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    kernels: Tensor

    @classmethod
    def of(cls, field: KernelField) -> Field:
        """The same field with its kernels as a float32 tensor on the CPU."""
        return cls(field.y, field.x, torch.from_numpy(field.kernels))

    def multipliers(self, shape: tuple[int, int]) -> Tensor:
        """The weight of each node at each pixel of an image of ``shape`` (H, W), float32 (Ny * Nx, H, W), on the device of the
        kernels. The blurred image is the sum of the weights times the image convolved with the kernels of the nodes."""
        down, across = (_weights(nodes, 0, side) for nodes, side in zip((self.y, self.x), shape, strict=True))
        return torch.from_numpy((down[:, None, :, None] * across[:, None, :]).reshape(-1, *shape)).to(self.kernels.device)


def blur_field(light: Tensor, fields: Sequence[Field | KernelField], *, box: tuple[int, int, int, int] | None = None) -> Tensor:
    """Blur each image of a batch by its field.

    ``light``: linear light, floating point ``(B, C, H, W)``, on any device. ``fields``: one for each image, or one for all, that
    cover the box. ``box``: (y, x, h, w), the part of the blurred images to return, by default all of them.

    Returns ``(B, C, h, w)``. In float32 it equals :func:`blurkit.blurring.blur_field` to about 1e-6 of the largest light.
    Gradients flow to the light and to ``Field.kernels``. Raises :class:`blurkit.errors.UsageError` for other shapes and dtypes,
    and for a field that does not cover the box.
    """
    check_light(light)
    require(len(fields) in (1, len(light)), f"there are {len(fields)} fields for {len(light)} images; pass one each, or one")
    inner = Box.of(box, light.shape[2:])
    tensors = [Field.of(field) if isinstance(field, KernelField) else field for field in fields]
    if len(tensors) == 1:
        return _blurred(light, tensors[0], inner)
    return torch.cat([_blurred(image[None], field, inner) for image, field in zip(light, tensors, strict=True)])


class _Windows(NamedTuple):
    """The windows of the nodes along one axis of a box. ``starts``: the first place of each window in the box. ``weights``: of
    the node at the places of its window, (n, length); all windows have the length of the longest."""

    starts: NDArray[np.int64]
    weights: Tensor

    @property
    def places(self) -> NDArray[np.int64]:
        """The places of each window in the box, (n, length)."""
        return self.starts[:, None] + np.arange(self.weights.shape[1])


def _weights(nodes: NDArray[np.float64], first: int, count: int) -> NDArray[np.float32]:
    """The weight of each node at ``count`` pixels along one axis, float32 (n, count). At a pixel they sum to 1."""
    before, share = cells(nodes, np.arange(first, first + count, dtype=np.float64))
    weights = np.zeros((len(nodes), count), np.float32)
    weights[before, np.arange(count)] = 1 - share
    if len(nodes) > 1:
        weights[before + 1, np.arange(count)] = share
    return weights


def _windows(nodes: NDArray[np.float64], first: int, count: int, light: Tensor) -> _Windows:
    weights = _weights(nodes, first, count)
    support = weights > 0
    starts, ends = support.argmax(axis=1), count - support[:, ::-1].argmax(axis=1)
    length = int(np.where(support.any(axis=1), ends - starts, 1).max())
    starts = np.minimum(starts, count - length)
    return _Windows(starts, torch.from_numpy(np.take_along_axis(weights, starts[:, None] + np.arange(length), 1)).to(light))


def _blurred(light: Tensor, field: Field, box: Box) -> Tensor:
    """The box of images that share a field."""
    kernels = field.kernels.to(light)
    reach = kernels.shape[-1] // 2
    down, across = (
        _windows(nodes, *place, light) for nodes, place in ((field.y, (box.y, box.height)), (field.x, (box.x, box.width)))
    )
    columns = torch.from_numpy(across.places).to(light.device)
    around = np.arange(-reach, across.weights.shape[1] + reach)
    read = torch.from_numpy(box.x + across.starts[:, None] + around).to(light.device).reshape(-1)
    result = light.new_zeros(*light.shape[:2], box.height, box.width)
    # One row of nodes at a time, because the windows of all nodes of a photograph take gigabytes.
    for i, top in enumerate(down.starts.tolist()):
        rows = torch.arange(-reach, down.weights.shape[1] + reach, device=light.device) + (box.y + top)
        source = taken(taken(light, rows, 2), read, 3)
        windows = source.unflatten(3, (len(across.starts), -1)).permute(3, 0, 1, 2, 4)  # (Nx, B, C, h, w)
        blurred = convolved(windows.flatten(1, 2), kernels[i]).unflatten(1, light.shape[:2])
        blurred = blurred * (down.weights[i][:, None] * across.weights[:, None, None, None])
        joined = light.new_zeros(*light.shape[:2], blurred.shape[3], box.width)
        joined = joined.index_add(3, columns.reshape(-1), blurred.permute(1, 2, 3, 0, 4).flatten(3))
        result = result + torch.nn.functional.pad(joined, (0, 0, top, box.height - top - joined.shape[2]))
    return result
