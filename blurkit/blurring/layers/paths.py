"""The displacement of the image by the camera's motion: one path for the whole frame, or one path for each node of a field.

The path of a node holds around the node. Between nodes, blurred pixels are blended bilinearly
(:mod:`blurkit.truth.kernel_field`).
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
    """A node of a field, and the pixels of a box that are blended from it. ``path``: the displacement at each instant, float64
    (T, 2), (x, y) in pixels. ``rows``, ``columns``: the pixels. ``down``, ``across``: the shares of the node along each axis,
    float32 (h,) and (w,). At each pixel the product of the two shares has the sum 1 over all nodes."""

    path: F64
    rows: slice
    columns: slice
    down: F32
    across: F32


@dataclass(frozen=True, eq=False)
class UniformPath:
    """One ``path``, float64 (T, 2), (x, y) in pixels, for the whole frame. ``weights``: of the instants, float64 (T,)."""

    path: F64
    weights: F64

    @classmethod
    def of(cls, path: ArrayLike, weights: ArrayLike) -> UniformPath:
        """Check a path (T, 2), T >= 1, and weights (T,), >= 0, with any positive sum. Raises UsageError for other arguments."""
        points, shares = checked_path(path, 2), checked_weights(weights, "instant")
        shapes = f"{points.shape} and {shares.shape}"
        require(len(points) == len(shares), f"a camera's path is (T, 2) and its weights are (T,), T >= 1, got {shapes}")
        return cls(points, shares)

    @property
    def reach(self) -> float:
        """The longest displacement in pixels."""
        return float(np.abs(self.path).max())

    def blur(self, linear: F32, box: Box, border: str) -> F32:
        """Blur linear light, float32 (H, W, C), by this motion and return a box of the result, float32 (h, w, C)."""
        return convolve_box(linear, box, best_form(splat_kernel(self.path, self.weights)), border)

    def nodes(self, box: Box) -> Iterator[Node]:
        """Yield the nodes from which the pixels of a box are blended."""
        height, width = box[2:]
        yield Node(self.path, slice(0, height), slice(0, width), np.ones(height, np.float32), np.ones(width, np.float32))

    def within(self, y: int, x: int) -> UniformPath:
        """The same motion in the coordinates of a part of the image whose first pixel is (y, x)."""
        return self


@dataclass(frozen=True, eq=False)
class NodePaths:
    """One path for each node of a ``field``, which holds their kernels. ``path_at(y, x)``: returns the path of a node, float64
    (T, 2). ``corner``: the first pixel (y, x) of the part to blur. Weights and methods are those of :class:`UniformPath`."""

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


#: The motion of a camera.
CameraPaths: TypeAlias = UniformPath | NodePaths


def turning(field: KernelField, poses: ArrayLike, weights: F64, *, shape: tuple[int, int], focal: float) -> NodePaths:
    """The paths of the nodes of a field from :func:`rotation_field`. The other arguments are the same as for that function."""
    exposed, middle = checked_poses(poses, weights)[: len(weights)], principal_point(shape)
    return NodePaths(field, lambda y, x: lattice_paths(exposed, np.array([y]), np.array([x]), focal, middle)[0], weights)


def _tents(nodes: F64, start: int, size: int) -> Iterator[tuple[int, slice, F32]]:
    """Yield the nodes from which the pixels along an axis are blended, each with these pixels and its share of each pixel."""
    before, f = cells(nodes, np.arange(start, start + size, dtype=np.float64))
    for node in range(int(before[0]), min(int(before[-1]) + 2, len(nodes))):
        first, middle, last = np.searchsorted(before, (node - 1, node, node + 1))
        shares = np.concatenate((f[first:middle], 1 - f[middle:last]))
        if math.fsum(shares):
            yield node, slice(int(first), int(last)), shares.astype(np.float32)
