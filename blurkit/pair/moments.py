"""Fits how one image is a blurred and shifted copy of another, by the moments of its kernel.

At a scale sigma, the blurred image is a sum over the derivatives of the sharp one (Taylor's series of the convolution):

    (G * b) = gain * sum over i, j of (-1)^(i+j) m_ij / (i! j!) * d^i_y d^j_x (G * s)  +  offset

where G is a Gaussian and m_ij are the moments of the kernel. The coefficients follow by least squares. The normal equations hold
the correlations of both images, but only over pixels that both have, so no window is needed and no border biases them. The first
moments are the shift of the centroid, whatever the shape of the kernel, so a skewed kernel does not bias it. The series is good
if sigma is at least 1.5 times the standard deviation of the kernel, which the second moments give. Weights that fall with the
residual (Cauchy) and near saturated pixels keep moving objects and clipped highlights from deciding. What the shift is worth is
measured by a jackknife: B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

#: The total order of the derivatives.
_ORDER = 4

#: Standard deviations at which Gaussians are cut off.
_REACH = 4.0

#: Blocks of the image for the jackknife, vertically and horizontally.
_BLOCKS = (2, 4)

#: The share of saturated light under the Gaussian at which a point has half its weight.
_SATURATED = 0.01

_REFITS = 3


@dataclass(frozen=True)
class Moments:
    """``shift``: (y, x) of the kernel's centroid. ``error``: the standard error of the shift, by a jackknife over blocks of the
    image; it is large where parts of the image moved differently. ``spread``: the kernel's largest standard deviation. All in
    pixels. ``gain``: the mean light of the blurred image relative to the sharp one, where none is saturated. ``explained``: the
    share of the variance of the blurred image that the fit explains."""

    shift: tuple[float, float]
    error: float
    spread: float
    gain: float
    explained: float


def fit_moments(sharp: F32, blurred: F32, saturated: F32, sigma: float) -> Moments | None:
    """Fits the moments of the kernel.

    ``sharp``, ``blurred``: linear light (h, w), float32. ``saturated``: 1 where an image is saturated, 0 elsewhere, (h, w).
    ``sigma``: the scale in pixels; the images have more than 8 sigma on a side. Returns None if they have too little detail.
    """
    margin, step = math.ceil(_REACH * sigma), max(round(0.8 * sigma), 1)
    places = tuple(slice(margin, side - margin, step) for side in sharp.shape)
    derivatives = {order: image[places] for order, image in _derivatives(sharp, sigma, _ORDER).items()}
    columns = [*derivatives.values(), np.ones_like(derivatives[0, 0])]
    matrix = np.stack([column.ravel() for column in columns], axis=1).astype(np.float64)
    target = _derivatives(blurred, sigma, 0)[0, 0][places].ravel().astype(np.float64)
    clean = 1 / (1 + (_derivatives(saturated, sigma, 0)[0, 0][places].ravel().astype(np.float64) / _SATURATED) ** 2)
    scale = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
    if not scale.all() or len(matrix) < _BLOCKS[0] * _BLOCKS[1] * matrix.shape[1] / 2:
        return None
    try:
        weights = _robust_weights(matrix / scale, target, clean)
        solution, without = _solutions(matrix / scale, target, weights, columns[0].shape)
    except np.linalg.LinAlgError:
        return None
    found, others = dict(zip(derivatives, solution / scale, strict=False)), without / scale
    if not found[0, 0] > 0:
        return None
    moments = {order: value / found[0, 0] for order, value in found.items()}
    y, x = -moments[1, 0], -moments[0, 1]
    cross = moments[1, 1] - y * x
    second = np.array([[2 * moments[2, 0] - y * y, cross], [cross, 2 * moments[0, 2] - x * x]])
    first = [list(derivatives).index(order) for order in ((1, 0), (0, 1))]
    shifts = -others[:, first] / others[:, :1]
    left = np.average((target - matrix @ (solution / scale)) ** 2, weights=weights)
    whole = np.average((target - np.average(target, weights=weights)) ** 2, weights=weights)
    return Moments(
        shift=(float(y), float(x)),
        error=float(np.sqrt((len(shifts) - 1) / len(shifts) * ((shifts - shifts.mean(axis=0)) ** 2).sum())),
        spread=math.sqrt(max(float(np.linalg.eigvalsh(second)[1]), 0.0)),
        gain=float(clean @ target / (clean @ matrix[:, 0])),
        explained=float(1 - left / whole),
    )


def _robust_weights(matrix: F64, target: F64, weights: F64) -> F64:
    """Weights that also fall with the residual of their least-squares fit. Raises LinAlgError if columns are not independent."""
    used = weights
    for _ in range(_REFITS):
        left = (matrix * used[:, None]).T
        normal = left @ matrix
        if not np.linalg.cond(normal) < 1e13:
            raise np.linalg.LinAlgError
        residual = np.abs(target - matrix @ np.linalg.solve(normal, left @ target))
        usual = 2 * 1.4826 * np.median(residual[weights >= 0.3 * weights.max()]) + 1e-9
        used = weights / (1 + (residual / usual) ** 2)
    return used


def _solutions(matrix: F64, target: F64, weights: F64, shape: tuple[int, ...]) -> tuple[F64, F64]:
    """The least-squares solution (k,) at points of a lattice of this shape, and the solutions (n, k) without each block of it."""
    rows, columns = (place.ravel() * count // side for place, count, side in zip(np.indices(shape), _BLOCKS, shape, strict=True))
    block, normals, rights = rows * _BLOCKS[1] + columns, [], []
    for number in range(_BLOCKS[0] * _BLOCKS[1]):
        inside = block == number
        left = (matrix[inside] * weights[inside, None]).T
        normals.append(left @ matrix[inside])
        rights.append(left @ target[inside])
    normal, right = sum(normals), sum(rights)
    without = [np.linalg.solve(normal - part, right - other) for part, other in zip(normals, rights, strict=True)]
    return np.linalg.solve(normal, right), np.array(without)


def _derivatives(image: F32, sigma: float, order: int) -> dict[tuple[int, int], F32]:
    """The derivatives of an image smoothed by a Gaussian, by (order in y, order in x), up to a total order."""
    reach = math.ceil(_REACH * sigma)
    place = np.arange(-reach, reach + 1, dtype=np.float64)
    gaussian = np.exp(-0.5 * (place / sigma) ** 2)
    taps = [gaussian / gaussian.sum()]
    hermite = [np.ones_like(place), place / sigma]
    for n in range(1, order + 1):
        hermite.append(place / sigma * hermite[-1] - n * hermite[-2])
        # Scaled so that the n-th derivative of t^n / n! is exactly 1 with these taps. As correlation, the sign is positive.
        raw = hermite[n] * gaussian
        taps.append(raw * (math.factorial(n) / (raw @ place**n)))
    return {
        (i, j): np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, taps[j], taps[i], borderType=cv2.BORDER_REFLECT_101))
        for i in range(order + 1)
        for j in range(order + 1 - i)
    }
