"""Blur kernels: a trajectory becomes a point spread function, with sub-pixel accuracy and a stated anchor.

A kernel is indexed by displacement: its centre is the pixel itself, and ``blurred = sharp * kernel`` is a true convolution, so
that a unit impulse at p becomes the kernel centred on p. Each sample of a path is splatted bilinearly on its four neighbours,
which preserves the centroid exactly and adds a variance of f (1 - f) per axis, f being the fraction of a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64, Floats, checked_path
from blurkit.errors import UsageError, nearest
from blurkit.jit import compiled
from blurkit.program.checks import require

#: What lies exactly on the kernel's centre. ``centroid``: the mean position over the exposure, so that sharp and blurred images
#: are registered; ``start`` and ``midpoint``: the position when the shutter opens and at half of the exposure; ``bbox``: the
#: centre of the whole path's bounding box, as the published code places it.
ANCHORS = ("centroid", "start", "midpoint", "bbox")


def rasterize(path: ArrayLike, *, exposure: float = 1.0, anchor: str = "centroid", size: int | None = None) -> F32:
    """The kernel of a trajectory.

    ``path``: ``(T, 2)``, (x, y) in pixels, equally spaced in time; sample t covers the time from t / T to (t + 1) / T.
    ``exposure``: the fraction in (0, 1] of the path, from its start, during which the shutter is open.
    ``anchor``: one of :data:`ANCHORS`. ``size``: an odd number of pixels, else the smallest that holds the path.

    Returns float32 ``(k, k)``, k odd, non-negative, sum 1. The photon count of the exposure is ``exposure`` times as much.
    Raises :class:`UsageError` where ``size`` is even or too small for the path: a kernel is never cut off.
    """
    return rasterize_anchored(exposed_path(path, exposure=exposure, anchor=anchor), exposure=exposure, size=size)


def rasterize_anchored(points: F64, *, exposure: float, size: int | None = None) -> F32:
    """As :func:`rasterize`, for a path that :func:`exposed_path` has shifted already: (0, 0) becomes the kernel's centre."""
    weights = exposure_weights(len(points), exposure)
    exposed = points[: len(weights)]
    half = math.ceil(max(exposed.max(), -exposed.min()))
    size = 2 * half + 1 if size is None else size
    require(size >= 1 and size % 2 == 1, f"a kernel's size is an odd number of pixels, got {size}")
    advice = f"size={size} would cut it off; raise it or leave it out"
    require(size >= 2 * half + 1, f"this path needs a kernel of {2 * half + 1} px, {advice}")
    return splat_kernel(exposed, weights, size=size)


def splat_kernel(points: F64, weights: F64, *, size: int | None = None, total: float | None = None) -> F32:
    """The kernel of points (T, 2), (x, y) in pixels from its centre, and their weights (T,), float32 ``(k, k)``.

    ``size``: odd, at least what the points need, which is the default. Its sum is 1, or where ``total`` is given, the share of
    it that the weights are.
    """
    side = 2 * math.ceil(np.abs(points).max()) + 1 if size is None else size
    mass = np.zeros((side, side))
    splat(points, weights, mass)
    return (mass / (mass.sum() if total is None else total)).astype(np.float32)


def checked_kernel(kernel: ArrayLike) -> F32:
    """The kernel as float32; UsageError unless it has two odd sides and finite values."""
    with np.errstate(over="ignore"):
        weights = np.asarray(kernel, np.float32)
    odd = weights.ndim == 2 and all(side % 2 for side in weights.shape)
    require(odd, f"a kernel has two odd sides, so that it has a centre; got shape {weights.shape}")
    require(bool(np.isfinite(weights).all()), "a kernel's values are finite numbers in float32; this one has others")
    return weights


def exposed_path(path: ArrayLike, *, exposure: float = 1.0, anchor: str = "centroid") -> F64:
    """The whole path, float64 ``(T, 2)``, shifted so that its anchor for this exposure lies at (0, 0)."""
    points = checked_path(path, 2)
    require(1e-6 <= exposure <= 1, f"exposure is a fraction of the path from 1e-6 to 1, got {exposure}")
    return points - _anchor(points, exposure, anchor)


def exposure_weights(samples: int, exposure: float) -> F64:
    """The share of its time step, in (0, 1], that each exposed sample is seen; samples after the exposure are left out."""
    steps = round(exposure * samples, 9)  # 0.1 * 2000 is a hair above 200, which must not expose a 201st sample
    weights = np.ones(max(math.ceil(steps), 1))
    weights[-1] = steps - (len(weights) - 1)
    return weights


def _anchor(points: F64, exposure: float, anchor: str) -> F64:
    if anchor == "centroid":
        weights = exposure_weights(len(points), exposure)
        return np.asarray(weights @ points[: len(weights)] / weights.sum())
    if anchor == "start":
        return points[0]
    if anchor == "midpoint":  # sample t stands for the middle of its step, the time t + 1/2
        time = exposure * len(points) / 2 - 0.5
        steps = np.arange(len(points))
        return np.array([np.interp(time, steps, points[:, axis]) for axis in (0, 1)])
    if anchor == "bbox":
        return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)
    raise UsageError(f"unknown anchor {anchor!r}, it is one of {', '.join(ANCHORS)}{nearest(anchor, ANCHORS)}")


@compiled(error_model="numpy")
def splat(points: F64, weights: F64, mass: F64) -> None:
    """Add the weights of points (T, 2), (x, y) in pixels from the middle of a square canvas that holds them, to its pixels.

    Fractions are taken before the middle is added, so that their rounding depends on no canvas.
    """
    last = mass.shape[0] - 1
    half = last // 2
    for t in range(weights.size):
        floor_x, floor_y = math.floor(points[t, 0]), math.floor(points[t, 1])
        fx, fy = points[t, 0] - floor_x, points[t, 1] - floor_y
        column, row = max(floor_x + half, 0), max(floor_y + half, 0)
        right, below = min(column + 1, last), min(row + 1, last)  # at the last column and row the fraction is zero
        top, bottom = weights[t] * (1.0 - fy), weights[t] * fy
        mass[row, column] += top * (1.0 - fx)
        mass[row, right] += top * fx
        mass[below, column] += bottom * (1.0 - fx)
        mass[below, right] += bottom * fx


@dataclass(frozen=True)
class KernelStatistics:
    """What a kernel looks like, in pixels.

    ``centroid``: (x, y) relative to the centre. ``extent``: the larger side of the bounding box of the nonzero taps.
    ``effective_length``: sqrt(12 v), v the largest eigenvalue of the covariance, which is the length of a straight uniform blur
    with the same variance. ``taps``: the number of nonzero values.
    """

    centroid: tuple[float, float]
    extent: int
    effective_length: float
    taps: int


def statistics(kernel: Floats) -> KernelStatistics:
    """:class:`KernelStatistics` of a kernel ``(k, k)`` of odd sides, of any positive sum."""
    rows, columns = np.nonzero(kernel)
    mass = kernel[rows, columns].astype(np.float64)
    mass /= mass.sum()
    offsets = np.stack((columns - kernel.shape[1] // 2, rows - kernel.shape[0] // 2)).astype(np.float64)
    centroid = offsets @ mass
    spread = offsets - centroid[:, None]
    variance = np.linalg.eigvalsh((spread * mass) @ spread.T)[-1]
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    length = math.sqrt(12 * max(float(variance), 0.0))
    return KernelStatistics((float(centroid[0]), float(centroid[1])), extent, length, len(rows))
