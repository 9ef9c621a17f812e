"""The exact blur of a camera rotation: the mean of the photograph over all poses of the exposure.

Pixel p of the blurred image is the mean over the poses t of the sharp image at q = W_t^-1(p): the light of q falls on p.
A field of kernels approximates this mean, so tests compare fields with it. Each pixel takes one sample of the image per pose.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from blurkit.blurring.tiles import aligned, tile_shape, tiles
from blurkit.errors import UsageError, nearest
from blurkit.jit import compiled
from blurkit.kernels.field import principal_point
from blurkit.kernels.rotation import checked_poses, displacements
from blurkit.truth.box import Box

#: How the image is sampled between its pixels. ``linear``: like the splat of kernels, so a field equals the exact sum at its
#: nodes; it adds a variance of f (1 - f) per axis, with f the fraction of a pixel. ``cubic``: Keys' convolution with a = -1/2.
INTERPOLATIONS = ("linear", "cubic")


def blur_poses(
    linear: NDArray[np.float32],
    poses: ArrayLike,
    weights: NDArray[np.float64],
    *,
    focal: float,
    center: tuple[float, float] | None = None,
    box: Box | None = None,
    border: str = "reflect101",
    interpolation: str = "linear",
) -> NDArray[np.float32]:
    """Returns a ``box`` (y, x, h, w) of the blurred photograph, by default the whole, float32 ``(h, w, C)``.

    ``linear``: float32 ``(H, W, C)``, the whole photograph in linear light. ``poses``, ``weights``, ``focal`` and ``center`` as
    for :func:`blurkit.kernels.field.rotation_field`. ``border``: one of ``tiles.BORDERS``. ``interpolation``: one of
    :data:`INTERPOLATIONS`.
    """
    if interpolation not in INTERPOLATIONS:
        known = nearest(interpolation, INTERPOLATIONS)
        raise UsageError(f"unknown interpolation {interpolation!r}{known}; it is one of {', '.join(INTERPOLATIONS)}")
    exposed = checked_poses(poses, weights)[: len(weights)]
    if linear.dtype != np.float32:
        raise UsageError(f"an image is float32 linear light; got {linear.dtype} without a table")
    y, x, height, width = box = Box.of(box, linear.shape)
    center = principal_point(linear.shape[:2]) if center is None else center
    channels = linear.shape[2]

    # Straight lines stay straight: every q lies between those of the four corners.
    corners = np.array([(i, j) for i in (x, x + width - 1) for j in (y, y + height - 1)], np.float64)
    places = corners[:, None] + displacements(-exposed, corners, focal=focal, center=center)
    (low_x, low_y), (high_x, high_y) = places.min(axis=(0, 1)), places.max(axis=(0, 1))
    above, below = max(y - math.floor(low_y), 0) + 2, max(math.ceil(high_y) - (y + height - 1), 0) + 2
    before, after = max(x - math.floor(low_x), 0) + 2, max(math.ceil(high_x) - (x + width - 1), 0) + 2
    halo = (above, below, before, after)
    (memory,) = aligned(tile_shape((height, width), halo, channels))
    (tile,) = tiles(linear.shape, box, halo, (height, width), border)
    values = tile.read(np.ascontiguousarray(linear).reshape(linear.shape[0], -1), memory)

    result = np.empty((height, width, channels), np.float32)
    pixels = values.reshape(len(values), -1, channels)
    # From q and p relative to the principal point to places in the read pixels and in the result.
    shift = (center[0] - (x - before), center[1] - (y - above), x - center[0], y - center[1])
    inverse = Rotation.from_rotvec(-exposed).as_matrix()
    _sum_poses(pixels, inverse, weights / weights.sum(), float(focal), shift, interpolation == "cubic", result)
    return result


@compiled(error_model="numpy")
def _sum_poses(
    pixels: NDArray[np.float32],
    inverse: NDArray[np.float64],
    weights: NDArray[np.float64],
    focal: float,
    shift: tuple[float, float, float, float],
    cubic: bool,
    result: NDArray[np.float32],
) -> None:
    sums = np.empty(result.shape[1:])
    for row in range(result.shape[0]):
        sums[:] = 0.0
        y = row + shift[3]
        for t in range(weights.size):
            m = inverse[t]
            for column in range(result.shape[1]):
                x = column + shift[2]
                scale = focal / (m[2, 0] * x + m[2, 1] * y + m[2, 2] * focal)
                u = scale * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * focal) + shift[0]
                v = scale * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * focal) + shift[1]
                if cubic:
                    _add_cubic(pixels, v, u, weights[t], sums[column])
                else:
                    _add_linear(pixels, v, u, weights[t], sums[column])
        result[row] = sums


@compiled(error_model="numpy")
def _add_linear(pixels: NDArray[np.float32], y: float, x: float, weight: float, sums: NDArray[np.float64]) -> None:
    i, j = int(y), int(x)
    fy, fx = y - i, x - j
    for channel in range(sums.size):
        upper = (1.0 - fx) * pixels[i, j, channel] + fx * pixels[i, j + 1, channel]
        lower = (1.0 - fx) * pixels[i + 1, j, channel] + fx * pixels[i + 1, j + 1, channel]
        sums[channel] += weight * ((1.0 - fy) * upper + fy * lower)


@compiled(error_model="numpy")
def _add_cubic(pixels: NDArray[np.float32], y: float, x: float, weight: float, sums: NDArray[np.float64]) -> None:
    i, j = int(y), int(x)
    wy, wx = _keys(y - i), _keys(x - j)
    for channel in range(sums.size):
        for dy in range(4):
            for dx in range(4):
                sums[channel] += weight * wy[dy] * wx[dx] * pixels[i - 1 + dy, j - 1 + dx, channel]


@compiled(error_model="numpy")
def _keys(f: float) -> tuple[float, float, float, float]:
    """The weights of the pixels at -1, 0, 1 and 2 for a place at the fraction f."""
    g = 1.0 - f
    return -0.5 * f * g * g, 1.0 + f * f * (1.5 * f - 2.5), 1.0 + g * g * (1.5 * g - 2.5), -0.5 * g * f * f
