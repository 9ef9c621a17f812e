"""Blur by averaging consecutive sharp frames: the image that a camera with a longer exposure would have taken.

The mean is computed in linear light, where photons add up. Some datasets average the codes. The response ``linear`` gives the
same mean if the caller also encodes with it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64, Array, check_array, checked_weights
from blurkit.camera.response import Response
from blurkit.errors import UsageError
from blurkit.jit import compiled
from blurkit.program.checks import require


def average_frames(frames: Iterable[Array], response: Response, *, weights: ArrayLike | None = None) -> F32:
    """The mean linear light of frames, float32 (H, W, 3).

    ``frames``: codes, uint8 (H, W, 3), which the ``response`` decodes, or linear light, float32 (H, W, 3), as
    :func:`blurkit.blurring.interpolated` yields it. ``weights``: one finite number >= 0 for each frame, by default equal.

    Sums are float64. For codes without weights, and for the curves from ``linear`` to ``gamma2.2``, they are exact up to 4,096
    frames, so the order of the frames changes no bit. The frames are read one at a time, so memory holds one frame and the sum.
    Raises :class:`UsageError` if there is no frame, for a frame of another size or dtype, and unless each frame has a weight.
    """
    shares = None if weights is None else checked_weights(weights, "frame")
    sums, shape, count = np.empty(0), (0,), 0
    for count, frame in enumerate(frames, 1):
        check_frame(frame, shape if count > 1 else None, count - 1)
        if shares is not None and count > len(shares):
            raise UsageError(f"there are {len(shares)} weights and more frames")
        if count == 1:
            shape, sums = frame.shape, np.zeros(frame.size)
        share = 1.0 if shares is None else float(shares[count - 1])
        table = response.table if frame.dtype == np.uint8 else None
        _accumulate(np.ascontiguousarray(frame).reshape(-1), table, share, sums)
    require(count > 0, "there is no frame to average")
    if shares is not None and count != len(shares):
        raise UsageError(f"there are {len(shares)} weights and {count} frames")
    sums /= count if shares is None else shares.sum()
    return sums.astype(np.float32).reshape(shape)


def window(count: int, lengths: tuple[int, int], *, rng: np.random.Generator, centre: int | None = None) -> range:
    """Draw which frames of a clip to average: an odd number of consecutive frames. The middle frame is the sharp image.

    ``count``: the number of frames of the clip. ``lengths``: the least and the greatest number of frames to average. An odd
    number between them that fits into the clip is drawn, each with the same probability. ``centre``: the number of the middle
    frame; by default it is drawn from all frames that fit.

    Raises :class:`UsageError` if no odd number lies between the lengths, or if the least odd number does not fit into the clip.
    """
    low, high = lengths[0] | 1, lengths[1]
    good = lengths[0] >= 1 and low <= high
    require(good, f"lengths are a least and a greatest number of frames, with an odd number between them, got {lengths}")
    require(centre is None or 0 <= centre < count, f"there is no frame {centre} in a clip of {count}")
    fits = count if centre is None else 2 * min(centre, count - 1 - centre) + 1
    where = "" if centre is None else f" around frame {centre}"
    advice = "choose a smaller least length or a longer clip"
    require(fits >= low, f"a clip of {count} frames has no window of {low}{where}; {advice}")
    length = low + 2 * int(rng.integers((min(high, fits) - low) // 2, endpoint=True))
    start = int(rng.integers(count - length, endpoint=True)) if centre is None else centre - length // 2
    return range(start, start + length)


def check_frame(frame: Array, shape: tuple[int, ...] | None, number: int) -> None:
    """Raise :class:`UsageError` unless ``frame`` is a frame, and unless it has this ``shape``, if a shape is given."""
    check_array(f"frame {number}", frame, "uint8 or float32", "H, W, 3")
    same = shape is None or frame.shape == shape
    require(same, f"frame {number} has shape {frame.shape}, and the first frame {shape}; all frames must have the same size")


@compiled(error_model="numpy")
def _accumulate(values: Array, table: F32 | None, share: float, sums: F64) -> None:
    for i in range(np.uint64(sums.size)):
        sums[i] += share * np.float64(values[i] if table is None else table[values[i]])
