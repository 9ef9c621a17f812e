"""Kernels that vary over the image: a lattice of kernels at nodes, blended bilinearly.

A field is a *gather* form: the blurred pixel p is the sum of ``w_k(p) (h_k * x)(p)`` over the four nodes k around p. This applies
the kernel at p to the image around p.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError


@dataclass(frozen=True, eq=False, repr=False)
class KernelField:
    """Kernels on a lattice of nodes. Each kernel is a list of its nonzero taps.

    ``y``: the rows of the nodes in pixels, increasing, float64 ``(Ny,)``. ``x``: their columns, float64 ``(Nx,)``. ``reach``: the
    largest distance in pixels, along either axis, from which a pixel gathers light. ``starts``: int64 ``(Ny * Nx + 1,)``; node
    (i, j) has number n = i * Nx + j, and its taps are ``starts[n]`` to ``starts[n + 1]`` of the next two arrays. ``places``: the
    displacement (dy, dx) of each tap, int16 ``(M, 2)``, in raster order. ``weights``: the weight of each tap, float32 ``(M,)``;
    the weights of a node sum to 1. Along an axis with one node, the kernel is constant.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    reach: int
    starts: NDArray[np.int64]
    places: NDArray[np.int16]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, y: ArrayLike, x: ArrayLike, kernels: NDArray[np.float32]) -> KernelField:
        """The field of ``kernels``, float32 ``(Ny, Nx, k, k)``, k odd, sum 1 each, indexed by displacement."""
        if kernels.dtype != np.float32 or kernels.ndim != 4 or kernels.shape[2] != kernels.shape[3] or kernels.shape[2] % 2 == 0:
            raise UsageError(f"a field's kernels are float32 (Ny, Nx, k, k) with k odd, got {kernels.dtype} {kernels.shape}")
        rows, columns = np.asarray(y, np.float64), np.asarray(x, np.float64)
        for name, nodes, count in (("y", rows, kernels.shape[0]), ("x", columns, kernels.shape[1])):
            if nodes.shape != (count,) or count == 0 or not np.all(np.diff(nodes) > 0):
                raise UsageError(f"a field's {name} holds {count} increasing places, one for each node, got {nodes}")
        reach = kernels.shape[2] // 2
        i, j, v, u = np.nonzero(kernels)
        starts = np.searchsorted(i * len(columns) + j, np.arange(len(rows) * len(columns) + 1))
        places = (np.stack((v, u), axis=1) - reach).astype(np.int16)
        return cls(rows, columns, reach, starts, places, kernels[i, j, v, u])

    def __repr__(self) -> str:
        return f"KernelField({len(self.y)} x {len(self.x)} kernels)"

    @property
    def kernels(self) -> NDArray[np.float32]:
        """All kernels as arrays, float32 ``(Ny, Nx, k, k)``. A wide blur of a large photograph needs more than a gigabyte."""
        canvases = np.zeros((len(self.y) * len(self.x), 2 * self.reach + 1, 2 * self.reach + 1), np.float32)
        node = np.repeat(np.arange(len(canvases)), np.diff(self.starts))
        canvases[node, self.places[:, 0] + self.reach, self.places[:, 1] + self.reach] = self.weights
        return canvases.reshape(len(self.y), len(self.x), *canvases.shape[1:])

    def at(self, y: float, x: float) -> NDArray[np.float32]:
        """The kernel at the pixel (y, x), float32 ``(k, k)``. Raises :class:`UsageError` outside the nodes."""
        (row,), (fy,) = cells(self.y, np.array([y]))
        (column,), (fx,) = cells(self.x, np.array([x]))
        below, right = min(row + 1, len(self.y) - 1), min(column + 1, len(self.x) - 1)
        kernel = np.zeros((2 * self.reach + 1,) * 2)
        for i, along_y in ((row, 1 - fy), (below, fy)):
            for j, along_x in ((column, 1 - fx), (right, fx)):
                taps = slice(*self.starts[i * len(self.x) + j :][:2])
                kernel[tuple(self.places[taps].T + self.reach)] += float(along_y) * float(along_x) * self.weights[taps]
        return kernel.astype(np.float32)

    def shifted(self, y: float, x: float) -> KernelField:
        """The same field in the coordinates of a crop with first pixel (y, x): the nodes move by (-y, -x)."""
        return replace(self, y=self.y - y, x=self.x - x)

    def check(self) -> None:
        """Raise :class:`UsageError` unless the arrays fit together. Then no index made from them leaves an array."""
        types = ("float64", "float64", "int64", "int16", "float32")
        arrays = (self.y, self.x, self.starts, self.places, self.weights)
        if tuple(str(values.dtype) for values in arrays) != types:
            raise UsageError(f"a field's y, x, starts, places and weights are {', '.join(types)}")
        for name, axis in (("y", self.y), ("x", self.x)):
            if axis.ndim != 1 or not axis.size or not np.isfinite(axis).all() or not np.all(np.diff(axis) > 0):
                raise UsageError(f"a field's {name} holds finite, increasing places, got {axis}")
        starts, nodes, taps = self.starts, len(self.y) * len(self.x), self.weights.size
        if starts.shape != (nodes + 1,) or (starts[0], starts[-1]) != (0, taps) or np.any(np.diff(starts) < 0):
            raise UsageError(f"a field's starts rise from 0 to its {taps} taps in {nodes} steps, got {starts}")
        if self.weights.shape != (taps,) or self.places.shape != (taps, 2):
            raise UsageError(f"a field's places and weights are (M, 2) and (M,), got {self.places.shape}, {self.weights.shape}")
        furthest = max(-int(self.places.min(initial=0)), int(self.places.max(initial=0)))
        if not furthest <= self.reach <= np.iinfo(np.int16).max:
            raise UsageError(f"a field's reach covers its taps, {furthest} pixels away, and is no more than 32767: {self.reach}")


def cells(nodes: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each place, the number of the node before it, and its position between that node and the next, float32 in [0, 1].

    A single node covers every place. With more nodes, a place outside them raises :class:`UsageError`.
    """
    if len(nodes) == 1:
        return np.zeros(len(places), np.int64), np.zeros(len(places), np.float32)
    low, high = places.min(), places.max()
    if low < nodes[0] or high > nodes[-1]:
        reach = f"from {nodes[0]:g} to {nodes[-1]:g} along this axis"
        raise UsageError(f"the field reaches {reach}, and is asked for {low:g} to {high:g}; make it for a larger box")
    before = np.minimum(np.searchsorted(nodes, places, side="right") - 1, len(nodes) - 2)
    return before, ((places - nodes[before]) / (nodes[before + 1] - nodes[before])).astype(np.float32)
