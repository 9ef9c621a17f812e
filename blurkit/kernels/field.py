"""The kernel field of a rotating camera, a :class:`blurkit.truth.kernel_field.KernelField`.

The nodes lie at fixed places of the whole photograph and not of a crop. So a blurred crop equals the crop of the blurred
photograph, bit for bit.

While the camera turns, the light that falls on p at pose t comes from q = W_t^-1(p). The kernel at p is indexed by displacement,
like every kernel here, and holds the weight of each p - q. The kernels are not centred one by one, because this would remove the
roll.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64, I16, I64
from blurkit.jit import compiled
from blurkit.kernels.rasterization import splat
from blurkit.kernels.rotation import checked_poses, displacements
from blurkit.program.checks import require
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField

#: The distance between nodes in pixels. For hand-held exposures of 17 to 51 mrad, at f = max(H, W), the field is then 51 to 95 dB
#: from the exact sum over the poses, in encoded values. Twice the spacing costs 10 to 12 dB. The interpolation between pixels
#: matters more: the exact sums with linear and with cubic interpolation are 44 to 89 dB apart.
SPACING = 48


def rotation_field(
    poses: ArrayLike,
    weights: F64,
    *,
    shape: tuple[int, int],
    box: Box | None = None,
    focal: float,
    spacing: int = SPACING,
    center: tuple[float, float] | None = None,
) -> KernelField:
    """The kernel field of a camera rotation over a ``box`` of a photograph.

    ``poses``: ``(T, 3)`` as in :mod:`blurkit.kernels.rotation`, already centred. ``weights``: of the exposed poses, which are the
    first poses of the path; :func:`blurkit.kernels.exposure_weights` returns them. ``shape``: (H, W) of the whole photograph.
    ``box``: (y, x, h, w) in the photograph, by default all of it. ``focal``: the focal length in pixels. ``spacing``: the
    distance between nodes in pixels; nodes lie on its multiples. ``center``: the principal point (x, y), by default the middle of
    the photograph. Raises UsageError for poses that are too large, and for bad arguments.
    """
    exposed = checked_poses(poses, weights)[: len(weights)]
    good = spacing >= 1 and spacing == int(spacing)
    require(good, f"the spacing of the nodes is a whole number of pixels >= 1, got {spacing}")
    top, left, height, width = box or (0, 0, *shape)
    y, x = _nodes(top, height, spacing), _nodes(left, width, spacing)
    middle = principal_point(shape) if center is None else center

    def paths(y: F64, x: F64) -> F64:
        return lattice_paths(exposed, y, x, focal, middle)

    # A displacement along x is a Moebius map of y, so it is largest in the first or the last row. The same holds along y.
    reach = math.ceil(max(float(np.abs(edge).max()) for edge in (paths(y[[0, -1]], x), paths(y, x[[0, -1]]))))
    advice = "lengths are in radians, for hand-held exposures .017 to .051"
    require(reach <= np.iinfo(np.int16).max, f"this rotation moves the image by {reach} pixels; {advice}")
    rows = [
        _splat_row(paths(place[None], x), weights, reach) for place in y
    ]  # the paths of all nodes at once would take gigabytes
    counts, places, values = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return KernelField(y, x, reach, np.concatenate(([0], np.cumsum(counts))), places, values)


def lattice_paths(exposed: F64, y: F64, x: F64, focal: float, center: tuple[float, float]) -> F64:
    """The displacement of each place of a lattice at each pose, float64 (Ny * Nx, T, 2), (x, y) in pixels."""
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return -displacements(-exposed, points, focal=focal, center=center)


def principal_point(shape: tuple[int, int]) -> tuple[float, float]:
    """The middle (x, y) of a photograph of ``shape`` (H, W). The optical axis is assumed to be there."""
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def _nodes(start: int, size: int, spacing: int) -> F64:
    # There is a node beyond the last pixel even if this pixel lies on a node, so that a pixel is in the same cell for every box.
    return np.arange(start // spacing, (start + size - 1) // spacing + 2, dtype=np.float64) * spacing


def composed(field: KernelField, kernel: F32) -> KernelField:
    """The field of two blurs, one after the other: the kernel of each node convolved with ``kernel``, float32 (k, k), sum 1."""
    reach = field.reach + len(kernel) // 2
    counts, places, values = _compose(field.starts, field.places, field.weights, reach, np.ascontiguousarray(kernel, np.float64))
    return KernelField(field.y, field.x, reach, np.concatenate(([0], np.cumsum(counts))), places, values)


@compiled(error_model="numpy")
def _splat_row(paths: F64, weights: F64, reach: int) -> tuple[I64, I16, F32]:
    """Return the number of taps of each path's kernel, and the displacements and the weights of all taps."""
    mass = np.zeros((2 * reach + 1, 2 * reach + 1))
    room = paths.shape[0] * min(4 * weights.size, mass.size)
    counts, places, values = np.empty(paths.shape[0], np.int64), np.empty((room, 2), np.int16), np.empty(room, np.float32)
    total = weights.sum()
    taps = 0
    for n in range(paths.shape[0]):
        splat(paths[n], weights, mass)
        x, y = paths[n, :, 0] + reach, paths[n, :, 1] + reach
        rows = max(int(y.min()), 0), min(math.ceil(y.max()) + 1, len(mass))
        columns = max(int(x.min()), 0), min(math.ceil(x.max()) + 1, len(mass))
        counts[n] = _take(mass, rows, columns, total, places[taps:], values[taps:])
        taps += counts[n]
    return counts, places[:taps].copy(), values[:taps].copy()


@compiled(error_model="numpy")
def _compose(starts: I64, places: I16, weights: F32, reach: int, kernel: F64) -> tuple[I64, I16, F32]:
    """Return the taps of each node's kernel convolved with ``kernel``, in the form that :func:`_splat_row` returns."""
    mass = np.zeros((2 * reach + 1, 2 * reach + 1))
    counts = np.empty(starts.size - 1, np.int64)
    side = kernel.shape[0]
    corner = reach - side // 2
    room = 0
    for n in range(counts.size):
        room += min((starts[n + 1] - starts[n]) * kernel.size, mass.size)
    made, values = np.empty((room, 2), np.int16), np.empty(room, np.float32)
    taps = 0
    for n in range(counts.size):
        for tap in range(starts[n], starts[n + 1]):
            top, left = places[tap, 0] + corner, places[tap, 1] + corner
            for row in range(side):
                for column in range(side):
                    mass[top + row, left + column] += weights[tap] * kernel[row, column]
        own = places[starts[n] : starts[n + 1]]
        rows = own[:, 0].min() + corner, own[:, 0].max() + corner + side
        columns = own[:, 1].min() + corner, own[:, 1].max() + corner + side
        counts[n] = _take(mass, rows, columns, mass[rows[0] : rows[1], columns[0] : columns[1]].sum(), made[taps:], values[taps:])
        taps += counts[n]
    return counts, made[:taps].copy(), values[:taps].copy()


@compiled(error_model="numpy")
def _take(mass: F64, rows: tuple[int, int], columns: tuple[int, int], total: float, places: I16, values: F32) -> int:
    """Move the taps of a canvas to ``places`` and, divided by ``total``, to ``values``. Returns the number of taps."""
    reach = mass.shape[0] // 2
    taps = 0
    for row in range(rows[0], rows[1]):
        line = mass[row, columns[0] : columns[1]]
        for column in range(line.size):
            if line[column] != 0.0:
                places[taps, 0], places[taps, 1] = row - reach, column + columns[0] - reach
                values[taps] = line[column] / total
                line[column] = 0.0
                taps += 1
    return taps
