"""Instants of an exposure: thousands of samples of a motion become the tens that a picture can tell apart."""

from __future__ import annotations

import numpy as np

from blurkit.camera.arrays import F64, I64
from blurkit.jit import compiled


def merge_instants(paths: F64, weights: F64, tolerance: float) -> tuple[F64, F64]:
    """Runs of instants within which no path spans more than ``tolerance`` pixels along an axis, each run as one instant.

    ``paths``: (n, T, 2), which things move together. ``weights``: (T,), >= 0; instants without weight are left out. Returns the
    mean displacements of the runs, float64 (n, m, 2), and their shares of the exposure, (m,), whose sum is 1. Each path's
    centroid is kept, so what a run blurs away is of second order in its extent.
    """
    seen = weights > 0
    flat = np.ascontiguousarray(paths[:, seen].transpose(1, 0, 2)).reshape(int(seen.sum()), -1)
    starts = _starts(flat, tolerance)
    shares = np.add.reduceat(weights[seen], starts)
    means = np.add.reduceat(flat * weights[seen, None], starts) / shares[:, None]
    return np.ascontiguousarray(means.reshape(len(starts), len(paths), 2).transpose(1, 0, 2)), shares / shares.sum()


@compiled(error_model="numpy")
def _starts(points: F64, tolerance: float) -> I64:
    """Where runs start, of points (T, d), int64 (m,)."""
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
