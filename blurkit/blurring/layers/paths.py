"""Where the camera's motion takes the image during an exposure: alike all over the frame, or by a path for each node of a field.

What a node's path does holds around it; between nodes, blurred pixels are blended bilinearly (:mod:`blurkit.truth.kernel_field`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.gather import blur_field
from blurkit.camera.arrays import F32, F64, checked_path, checked_weights
from blurkit.kernels.field import lattice_paths, principal_point
from blurkit.kernels.rasterization import splat_kernel
from blurkit.kernels.rotation import checked_poses
from blurkit.program.checks import require
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField, cells


class Node(NamedTuple):
    """``path``: float64 (T, 2), (x, y) in pixels, where the image is at each instant. It holds in the ``rows`` and ``columns`` of
    a box, with the shares ``down`` (h,) and ``across`` (w,) of their pixels, float32, whose products sum to 1 over all nodes."""

    path: F64
    rows: slice
    columns: slice
    down: F32
    across: F32


@dataclass(frozen=True, eq=False)
class UniformPath:
    """One ``path``, float64 (T, 2), for the whole frame. ``weights``: float64 (T,), the share of each instant."""

    path: F64
    weights: F64

    @classmethod
    def of(cls, path: ArrayLike, weights: ArrayLike) -> UniformPath:
        """A path (T, 2) with T >= 1 and weights (T,), >= 0, of any positive sum; UsageError for others."""
        points, shares = checked_path(path, 2), checked_weights(weights, "instant")
        shapes = f"got {points.shape} and {shares.shape}"
        require(len(points) == len(shares), f"a camera's path is (T, 2) and its weights (T,), T >= 1, {shapes}")
        return cls(points, shares)

    @property
    def reach(self) -> float:
        """The longest displacement in pixels."""
        return float(np.abs(self.path).max())

    def blur(self, linear: F32, box: Box, border: str) -> F32:
        """A box of an image, float32 (H, W, C) of linear light, as this motion blurs it, float32 (h, w, C)."""
        return convolve_box(linear, box, best_form(splat_kernel(self.path, self.weights)), border)

    def nodes(self, box: Box) -> Iterator[Node]:
        """The nodes around the pixels of a box."""
        height, width = box[2:]
        yield Node(self.path, slice(0, height), slice(0, width), np.ones(height, np.float32), np.ones(width, np.float32))

    def within(self, y: int, x: int) -> UniformPath:
        """The same motion in the coordinates of a part of the image whose first pixel is (y, x)."""
        return self


@dataclass(frozen=True, eq=False)
class NodePaths:
    """A path at each node of a ``field``, whose kernels these paths make. ``path_at(y, x)``: that of a node, float64 (T, 2).
    ``weights`` and methods as those of :class:`UniformPath`."""

    field: KernelField
    path_at: Callable[[float, float], F64]
    weights: F64
    corner: tuple[int, int] = (0, 0)

    @property
    def reach(self) -> float:
        return float(self.field.reach)

    def blur(self, linear: F32, box: Box, border: str) -> F32:
        return blur_field(linear, self.field.shifted(*self.corner), box, border=border)

    def nodes(self, box: Box) -> Iterator[Node]:
        y, x, height, width = box
        across = list(_tents(self.field.x, x + self.corner[1], width))
        for row, rows, down in _tents(self.field.y, y + self.corner[0], height):
            for column, columns, shares in across:
                yield Node(self.path_at(self.field.y[row], self.field.x[column]), rows, columns, down, shares)

    def within(self, y: int, x: int) -> NodePaths:
        return replace(self, corner=(self.corner[0] + y, self.corner[1] + x))


#: A motion of the camera.
CameraPaths: TypeAlias = UniformPath | NodePaths


def turning(field: KernelField, poses: ArrayLike, weights: F64, *, shape: tuple[int, int], focal: float) -> NodePaths:
    """The paths that make a field of :func:`rotation_field`, which takes the same arguments."""
    exposed, middle = checked_poses(poses, weights)[: len(weights)], principal_point(shape)
    return NodePaths(field, lambda y, x: lattice_paths(exposed, np.array([y]), np.array([x]), focal, middle)[0], weights)


def _tents(nodes: F64, start: int, size: int) -> Iterator[tuple[int, slice, F32]]:
    """Each node that pixels along an axis are blended from, with these pixels and its share of each."""
    before, f = cells(nodes, np.arange(start, start + size, dtype=np.float64))
    for node in range(int(before[0]), min(int(before[-1]) + 2, len(nodes))):
        first, middle, last = np.searchsorted(before, (node - 1, node, node + 1))
        shares = np.concatenate((f[first:middle], 1 - f[middle:last]))
        if math.fsum(shares):
            yield node, slice(int(first), int(last)), shares.astype(np.float32)
