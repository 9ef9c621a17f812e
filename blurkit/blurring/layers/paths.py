"""Where the camera's motion takes the image during an exposure: alike all over the frame, or by a path for each node of a field.

What a node's path does holds around it; between nodes, blurred pixels are blended bilinearly (:mod:`blurkit.truth.kernel_field`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.gather import blur_field
from blurkit.errors import UsageError
from blurkit.kernels.field import lattice_paths, principal_point
from blurkit.kernels.rasterization import splat_kernel
from blurkit.kernels.rotation import checked_poses
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField, cells


class Node(NamedTuple):
    """``path``: float64 (T, 2), (x, y) in pixels, where the image is at each instant. It holds in the ``rows`` and ``columns`` of
    a box, with the shares ``down`` (h,) and ``across`` (w,) of their pixels, float32, whose products sum to 1 over all nodes."""

    path: NDArray[np.float64]
    rows: slice
    columns: slice
    down: NDArray[np.float32]
    across: NDArray[np.float32]


class CameraPaths(Protocol):
    """A motion of the camera. ``weights``: float64 (T,), the share of each instant. ``reach``: px, the longest displacement."""

    @property
    def weights(self) -> NDArray[np.float64]: ...

    @property
    def reach(self) -> float: ...

    def blur(self, linear: NDArray[np.float32], box: Box, border: str) -> NDArray[np.float32]:
        """A box of an image, float32 (H, W, C) of linear light, as this motion blurs it, float32 (h, w, C)."""

    def nodes(self, box: Box) -> Iterator[Node]:
        """The nodes around the pixels of a box."""

    def within(self, y: int, x: int) -> CameraPaths:
        """The same motion in the coordinates of a part of the image whose first pixel is (y, x)."""


@dataclass(frozen=True, eq=False)
class UniformPath:
    """One ``path``, float64 (T, 2), for the whole frame."""

    path: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, path: ArrayLike, weights: ArrayLike) -> UniformPath:
        """A path (T, 2) with T >= 1 and weights (T,), >= 0, of any positive sum; UsageError for others."""
        points, shares = (np.ascontiguousarray(values, np.float64) for values in (path, weights))
        if shares.ndim != 1 or not len(shares) or points.shape != (len(shares), 2):
            raise UsageError(f"a camera's path is (T, 2) and its weights (T,), T >= 1, got {points.shape} and {shares.shape}")
        if not (np.isfinite(points).all() and np.isfinite(shares).all()):
            raise UsageError("displacements and weights are finite numbers; these have others")
        if shares.min() < 0 or shares.sum() <= 0:
            raise UsageError(f"weights are >= 0 and their sum is not 0, got {shares.min()} at least and {shares.sum()} in all")
        return cls(points, shares)

    @property
    def reach(self) -> float:
        return float(np.abs(self.path).max())

    def blur(self, linear: NDArray[np.float32], box: Box, border: str) -> NDArray[np.float32]:
        return convolve_box(linear, box, best_form(splat_kernel(self.path, self.weights)), border)

    def nodes(self, box: Box) -> Iterator[Node]:
        height, width = box[2:]
        yield Node(self.path, slice(0, height), slice(0, width), np.ones(height, np.float32), np.ones(width, np.float32))

    def within(self, y: int, x: int) -> UniformPath:
        return self


@dataclass(frozen=True, eq=False)
class NodePaths:
    """A path at each node of a ``field``, whose kernels these paths make. ``path_at(y, x)``: that of a node, float64 (T, 2)."""

    field: KernelField
    path_at: Callable[[float, float], NDArray[np.float64]]
    weights: NDArray[np.float64]
    corner: tuple[int, int] = (0, 0)

    @property
    def reach(self) -> float:
        return float(self.field.reach)

    def blur(self, linear: NDArray[np.float32], box: Box, border: str) -> NDArray[np.float32]:
        return blur_field(linear, self.field.shifted(*self.corner), box, border=border)

    def nodes(self, box: Box) -> Iterator[Node]:
        y, x, height, width = box
        across = list(_tents(self.field.x, x + self.corner[1], width))
        for row, rows, down in _tents(self.field.y, y + self.corner[0], height):
            for column, columns, shares in across:
                yield Node(self.path_at(self.field.y[row], self.field.x[column]), rows, columns, down, shares)

    def within(self, y: int, x: int) -> NodePaths:
        return replace(self, corner=(self.corner[0] + y, self.corner[1] + x))


def turning(
    field: KernelField, poses: ArrayLike, weights: NDArray[np.float64], *, shape: tuple[int, int], focal: float
) -> NodePaths:
    """The paths that make a field of :func:`rotation_field`, which takes the same arguments."""
    exposed, middle = checked_poses(poses, weights)[: len(weights)], principal_point(shape)
    return NodePaths(field, lambda y, x: lattice_paths(exposed, np.array([y]), np.array([x]), focal, middle)[0], weights)


def _tents(nodes: NDArray[np.float64], start: int, size: int) -> Iterator[tuple[int, slice, NDArray[np.float32]]]:
    """Each node that pixels along an axis are blended from, with these pixels and its share of each."""
    before, f = cells(nodes, np.arange(start, start + size, dtype=np.float64))
    for node in range(int(before[0]), min(int(before[-1]) + 2, len(nodes))):
        first, middle, last = np.searchsorted(before, (node - 1, node, node + 1))
        shares = np.concatenate((f[first:middle], 1 - f[middle:last]))
        if math.fsum(shares):
            yield node, slice(int(first), int(last)), shares.astype(np.float32)
