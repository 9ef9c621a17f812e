"""Rasterization: a path becomes a kernel (point spread function), with sub-pixel accuracy and a stated anchor.

A kernel is indexed by displacement. Its centre is the displacement 0. ``blurred = sharp * kernel`` is a true convolution, so a
unit impulse at p becomes the kernel centred on p. Each sample of a path is splatted bilinearly onto its four neighbour pixels.
This preserves the centroid exactly and adds a variance of f (1 - f) per axis, where f is the fraction of a pixel.
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

#: The anchor is the point of the path that lies exactly on the kernel's centre. ``centroid``: the mean position over the
#: exposure, so that sharp and blurred images are registered. ``start``: the position when the shutter opens. ``midpoint``: the
#: position at half of the exposure. ``bbox``: the centre of the bounding box of the whole path, as in the published code.
ANCHORS = ("centroid", "start", "midpoint", "bbox")


def rasterize(path: ArrayLike, *, exposure: float = 1.0, anchor: str = "centroid", size: int | None = None) -> F32:
    """The kernel of a path, float32 ``(k, k)``, k odd, non-negative, sum 1.

    ``path``: ``(T, 2)``, (x, y) in pixels, equally spaced in time. Sample t covers the time from t / T to (t + 1) / T.
    ``exposure``: the fraction of the path, from its start, during which the shutter is open, in (0, 1]. ``anchor``: one of
    :data:`ANCHORS`. ``size``: the side of the kernel, an odd number of pixels; by default the smallest that holds the path.

    The sum is 1 for every exposure; the number of photons is proportional to ``exposure``. Raises :class:`UsageError` if ``size``
    is even or too small for the path, because a kernel is never cut off.
    """
    return rasterize_anchored(exposed_path(path, exposure=exposure, anchor=anchor), exposure=exposure, size=size)


def rasterize_anchored(points: F64, *, exposure: float, size: int | None = None) -> F32:
    """The kernel of a path that :func:`exposed_path` has already shifted: (0, 0) becomes the centre. See :func:`rasterize`."""
    weights = exposure_weights(len(points), exposure)
    exposed = points[: len(weights)]
    half = math.ceil(max(exposed.max(), -exposed.min()))
    size = 2 * half + 1 if size is None else size
    require(size >= 1 and size % 2 == 1, f"a kernel's size is an odd number of pixels, got {size}")
    advice = f"and size={size} would cut it off; use a larger size or omit it"
    require(size >= 2 * half + 1, f"this path needs a kernel of {2 * half + 1} px, {advice}")
    return splat_kernel(exposed, weights, size=size)


def splat_kernel(points: F64, weights: F64, *, size: int | None = None, total: float | None = None) -> F32:
    """The kernel of weighted points, float32 ``(k, k)``. It is the sum of the splatted points, divided by ``total``.

    ``points``: (T, 2), (x, y) in pixels from the kernel's centre. ``weights``: (T,). ``size``: odd; by default the smallest that
    holds the points. ``total``: by default the sum of the splatted weights, so that the kernel has the sum 1.
    """
    side = 2 * math.ceil(np.abs(points).max()) + 1 if size is None else size
    mass = np.zeros((side, side))
    splat(points, weights, mass)
    return (mass / (mass.sum() if total is None else total)).astype(np.float32)


def checked_kernel(kernel: ArrayLike) -> F32:
    """Return the kernel as float32. Raises UsageError unless it has two odd sides and finite values."""
    with np.errstate(over="ignore"):
        weights = np.asarray(kernel, np.float32)
    odd = weights.ndim == 2 and all(side % 2 for side in weights.shape)
    require(odd, f"a kernel has two odd sides, so that it has a centre; got shape {weights.shape}")
    require(bool(np.isfinite(weights).all()), "a kernel's values are finite in float32; this kernel has values that are not")
    return weights


def exposed_path(path: ArrayLike, *, exposure: float = 1.0, anchor: str = "centroid") -> F64:
    """The whole path, float64 ``(T, 2)``, shifted so that its anchor lies at (0, 0). Arguments as for :func:`rasterize`."""
    points = checked_path(path, 2)
    require(1e-6 <= exposure <= 1, f"exposure is a fraction of the path from 1e-6 to 1, got {exposure}")
    return points - _anchor(points, exposure, anchor)


def exposure_weights(samples: int, exposure: float) -> F64:
    """For each exposed sample, the fraction of its time step with an open shutter, in (0, 1]. Later samples are left out."""
    steps = round(exposure * samples, 9)  # 0.1 * 2000 is slightly above 200; without rounding a 201st sample would be exposed
    weights = np.ones(max(math.ceil(steps), 1))
    weights[-1] = steps - (len(weights) - 1)
    return weights


def _anchor(points: F64, exposure: float, anchor: str) -> F64:
    if anchor == "centroid":
        weights = exposure_weights(len(points), exposure)
        return np.asarray(weights @ points[: len(weights)] / weights.sum())
    if anchor == "start":
        return points[0]
    if anchor == "midpoint":  # sample t is the position in the middle of its time step, at t + 1/2
        time = exposure * len(points) / 2 - 0.5
        steps = np.arange(len(points))
        return np.array([np.interp(time, steps, points[:, axis]) for axis in (0, 1)])
    if anchor == "bbox":
        return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)
    raise UsageError(f"unknown anchor {anchor!r}{nearest(anchor, ANCHORS)}; the anchors are {', '.join(ANCHORS)}")


@compiled(error_model="numpy")
def splat(points: F64, weights: F64, mass: F64) -> None:
    """Add the weights of points to the pixels of a square canvas.

    ``points``: (T, 2), (x, y) in pixels from the middle of the canvas; all lie within it. ``weights``: (T,). ``mass``: the
    canvas. The fractions of pixels are computed before the middle is added, so their rounding does not depend on the canvas.
    """
    last = mass.shape[0] - 1
    half = last // 2
    for t in range(weights.size):
        floor_x, floor_y = math.floor(points[t, 0]), math.floor(points[t, 1])
        fx, fy = points[t, 0] - floor_x, points[t, 1] - floor_y
        column, row = max(floor_x + half, 0), max(floor_y + half, 0)
        right, below = min(column + 1, last), min(row + 1, last)  # in the last column and row the fraction is zero
        top, bottom = weights[t] * (1.0 - fy), weights[t] * fy
        mass[row, column] += top * (1.0 - fx)
        mass[row, right] += top * fx
        mass[below, column] += bottom * (1.0 - fx)
        mass[below, right] += bottom * fx


@dataclass(frozen=True)
class KernelStatistics:
    """Statistics of a kernel, in pixels.

    ``centroid``: (x, y) relative to the centre. ``extent``: the larger side of the bounding box of the nonzero taps.
    ``effective_length``: sqrt(12 v), where v is the largest eigenvalue of the covariance. This is the length of a straight
    uniform blur with the same variance. ``taps``: the number of nonzero values.
    """

    centroid: tuple[float, float]
    extent: int
    effective_length: float
    taps: int


def statistics(kernel: Floats) -> KernelStatistics:
    """The :class:`KernelStatistics` of a kernel with odd sides and any positive sum."""
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
