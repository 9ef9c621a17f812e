"""Interpolated frames between frames, so that the mean of a few frames is a smooth blur and not a row of separate images.

The motion between two frames is measured in both directions by dense inverse search (Kroeger et al., ECCV 2016), as OpenCV
implements it. The flows from the time t to both frames are combined from these two flows (Jiang et al., "Super SloMo", CVPR 2018,
section 3.2). The frame at time t samples both frames along its flows and blends the samples. If a point is not visible in one
frame, because it lies beyond the border or something hides it, the other frame has more weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from blurkit.blurring.frames import check_frame
from blurkit.camera.arrays import F32, U8, Array
from blurkit.camera.response import Response
from blurkit.program.checks import require

#: The smallest side of a frame in which motion can be measured, in pixels.
MIN_SIDE = 16

# The flow forward and back misses its start by a distance. A pixel has the confidence 1/2 if the square of this distance is _MISS
# (in squared pixels) plus _MISS_SHARE times the squared lengths of both flows. These are the values of Sundaram et al. (ECCV
# 2010), but the share is five times larger, because this search is coarser.
_MISS, _MISS_SHARE = 0.5, 0.05


def interpolated(frames: Iterable[U8], factor: int, response: Response) -> Iterator[F32]:
    """Yield the frames in linear light, with ``factor - 1`` interpolated frames between each two, at equal steps of time.

    ``frames``: codes, uint8 (H, W, 3), with sides of at least 16 pixels; they are read one at a time. ``factor``: at least 1.
    From n frames it yields ``(n - 1) * factor + 1`` frames, float32 (H, W, 3) in [0, 1]. The same frames always give the same
    bits. Raises :class:`UsageError` for a frame of another size or dtype, or with a side below 16 pixels.
    """
    require(factor >= 1, f"factor is the number of steps from one frame to the next, at least 1, got {factor}")
    before: _Frame | None = None
    for number, codes in enumerate(frames):
        check_frame(codes, before.linear.shape if before else None, number)
        kind = f"{codes.dtype} of {codes.shape[1]} x {codes.shape[0]} pixels"
        good = codes.dtype == np.uint8 and min(codes.shape[:2]) >= MIN_SIDE
        require(good, f"frame {number} is {kind}; interpolation needs uint8 frames of at least {MIN_SIDE} pixels a side")
        after = _Frame(response.decode(codes), cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY))
        if before and factor > 1:
            yield from _between(before, after, factor)
        yield after.linear
        before = after


@dataclass(frozen=True)
class _Frame:
    """A frame. ``linear``: linear light, float32 (H, W, 3). ``grey``: the grey image for measuring motion, uint8 (H, W)."""

    linear: F32
    grey: U8


def _between(first: _Frame, last: _Frame, factor: int) -> Iterator[F32]:
    forth, back = _flows(first.grey, last.grey)
    grid = _grid(first.grey.shape)
    found_in_last, found_in_first = _found(forth, back, grid), _found(back, forth, grid)
    for step in range(1, factor):
        time = step / factor
        at_first = grid + (time * time * back - (1 - time) * time * forth)
        at_last = grid + ((1 - time) ** 2 * forth - time * (1 - time) * back)
        # If a point of the last frame is not found in the first frame, it was hidden there, and the first frame shows something
        # else at this place. So the first frame gets less weight.
        share_first = (1 - time) * _trust(at_first, _sample(found_in_first, at_last, cv2.INTER_LINEAR))
        share_last = time * _trust(at_last, _sample(found_in_last, at_first, cv2.INTER_LINEAR))
        blend = share_first * _sample(first.linear, at_first, cv2.INTER_CUBIC)
        blend += share_last * _sample(last.linear, at_last, cv2.INTER_CUBIC)
        yield np.clip(blend / (share_first + share_last), 0, 1)


def _flows(first: U8, last: U8) -> tuple[F32, F32]:
    """The flow from the first frame to the last and the flow back, float32 (H, W, 2), (x, y) in pixels."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV does not promise the same flow for every number of threads
    try:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return search.calc(first, last, None), search.calc(last, first, None)
    finally:
        cv2.setNumThreads(threads)


def _found(flow: F32, other: F32, grid: F32) -> F32:
    """The confidence that each pixel is found in the other frame, float32 (H, W), 1 if the flow back leads to its start."""
    back = _sample(other, grid + flow, cv2.INTER_LINEAR)
    miss, lengths = ((flow + back) ** 2).sum(axis=2), (flow**2 + back**2).sum(axis=2)
    return 1 / (1 + miss / (_MISS + _MISS_SHARE * lengths))


def _trust(places: F32, found: F32) -> F32:
    """The weight of the samples of a frame at these places, float32 (H, W, 1). Outside the frame it is small but not zero."""
    height, width = found.shape
    inside = ((places >= -0.5) & (places <= (width - 0.5, height - 0.5))).all(axis=2)
    return (found * inside + np.float32(1e-3))[..., None]


def _grid(shape: tuple[int, ...]) -> F32:
    rows, columns = np.indices(shape, np.float32)
    return np.stack((columns, rows), axis=2)


def _sample(values: Array, places: F32, how: int) -> Array:
    return cv2.remap(values, places, None, how, borderMode=cv2.BORDER_REPLICATE)
