"""Blur by averaging frames: what a camera with a longer exposure would have seen, from consecutive sharp frames.

The mean belongs in linear light, where photons add up. The mean of the codes themselves, as some datasets have it, is that of the
response ``linear``; its caller encodes with the same.
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
    """The mean linear light of frames, which are taken one at a time.

    ``frames``: uint8 (H, W, 3) codes, decoded by the ``response``, or float32 (H, W, 3) linear light, such as
    :func:`blurkit.blurring.interpolated` yields. ``weights``: one finite number >= 0 for each frame, equal by default.

    Returns float32 (H, W, 3). Sums are float64. Those of codes without weights are exact up to 4,096 frames for the curves from
    ``linear`` to ``gamma2.2``, so that the order of the frames changes no bit. Memory: one frame and the sum. Raises
    :class:`UsageError` for no frame, for one of another size or dtype, and for weights that do not fit.
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
    """Which frames of a clip to average: an odd number of consecutive ones, whose middle frame is the sharp image.

    ``count``: the frames of the clip. ``lengths``: the least and the greatest number of frames; one of the odd numbers between
    them that fit is drawn, each as likely. ``centre``: the middle frame, drawn from those that the length leaves by default.

    Raises :class:`UsageError` where no odd length lies between the two, or the least does not fit into the clip.
    """
    low, high = lengths[0] | 1, lengths[1]
    between = lengths[0] >= 1 and low <= high
    require(between, f"lengths are a least and a greatest number of frames with an odd number between, got {lengths}")
    require(centre is None or 0 <= centre < count, f"there is no frame {centre} in a clip of {count}")
    fits = count if centre is None else 2 * min(centre, count - 1 - centre) + 1
    where = "" if centre is None else f" around frame {centre}"
    advice = "lower the least length, or take a longer clip"
    require(fits >= low, f"a clip of {count} frames has no window of {low}{where}; {advice}")
    length = low + 2 * int(rng.integers((min(high, fits) - low) // 2, endpoint=True))
    start = int(rng.integers(count - length, endpoint=True)) if centre is None else centre - length // 2
    return range(start, start + length)


def check_frame(frame: Array, shape: tuple[int, ...] | None, number: int) -> None:
    """Raises :class:`UsageError` unless it is a frame, and of this shape if one is given."""
    check_array(f"frame {number}", frame, "uint8 or float32", "H, W, 3")
    one_size = shape is None or frame.shape == shape
    require(one_size, f"frame {number} has shape {frame.shape}, the first one {shape}; all frames of a mean have one size")


@compiled(error_model="numpy")
def _accumulate(values: Array, table: F32 | None, share: float, sums: F64) -> None:
    for i in range(np.uint64(sums.size)):
        sums[i] += share * np.float64(values[i] if table is None else table[values[i]])
