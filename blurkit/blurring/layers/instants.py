"""Instants of an exposure: the thousands of samples of a motion are merged into the tens that differ visibly."""

from __future__ import annotations

import numpy as np

from blurkit.camera.arrays import F64, I64
from blurkit.jit import compiled


def merge_instants(paths: F64, weights: F64, tolerance: float) -> tuple[F64, F64]:
    """Merge runs of consecutive instants. In a run, no path spans more than ``tolerance`` pixels along an axis.

    ``paths``: n paths with common instants, (n, T, 2). ``weights``: (T,), >= 0; instants without weight are left out. Returns the
    mean displacements of the m runs, float64 (n, m, 2), and their fractions of the exposure, (m,), with the sum 1. The centroid
    of each path is kept, so the error is of second order in the extent of a run.
    """
    exposed = weights > 0
    flat = np.ascontiguousarray(paths[:, exposed].transpose(1, 0, 2)).reshape(int(exposed.sum()), -1)
    starts = _starts(flat, tolerance)
    shares = np.add.reduceat(weights[exposed], starts)
    means = np.add.reduceat(flat * weights[exposed, None], starts) / shares[:, None]
    return np.ascontiguousarray(means.reshape(len(starts), len(paths), 2).transpose(1, 0, 2)), shares / shares.sum()


@compiled(error_model="numpy")
def _starts(points: F64, tolerance: float) -> I64:
    """The first instant of each run, int64 (m,). ``points``: (T, d)."""
    starts = np.zeros(len(points), np.int64)
    low, high = points[0].copy(), points[0].copy()
    count = 1
    for t in range(1, len(points)):
        point = points[t]
        within = True
        for k in range(point.size):
            within &= max(high[k], point[k]) - min(low[k], point[k]) <= tolerance
        if within:
            low, high = np.minimum(low, point), np.maximum(high, point)
        else:
            low[:], high[:] = point, point
            starts[count] = t
            count += 1
    return starts[:count]
