"""Frames between frames, so that a mean of few frames shows a smooth blur and no row of ghosts.

Between two frames the motion is measured both ways by dense inverse search (Kroeger et al., ECCV 2016, as OpenCV has it). The
frame at time t looks back into both along the flow from t to either, which is put together from the two (Jiang et al., "Super
SloMo", CVPR 2018, section 3.2), and blends what it finds. Where one of them cannot show it, because it lies beyond the border or
something hides it, the other one counts.
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

#: The smallest side of frames whose flow can be measured.
MIN_SIDE = 16

# A pixel is half doubted where the flow forth and back misses its start by a squared distance of so many pixels and this share of
# the squares of both flows; those of Sundaram et al. (ECCV 2010), the share five times over, as this search is coarser.
_MISS, _MISS_SHARE = 0.5, 0.05


def interpolated(frames: Iterable[U8], factor: int, response: Response) -> Iterator[F32]:
    """The frames in linear light, and between each two ``factor - 1`` more at equal steps of time.

    ``frames``: uint8 (H, W, 3) codes, at least 16 pixels a side, taken one at a time. ``factor``: at least 1. Yields float32
    (H, W, 3) in [0, 1]: ``(n - 1) * factor + 1`` of them. The same frames always give the same bits. Raises
    :class:`UsageError` for a frame of another size, dtype or a side below 16.
    """
    require(factor >= 1, f"factor is the number of steps from one frame to the next, at least 1, got {factor}")
    before: _Frame | None = None
    for number, codes in enumerate(frames):
        check_frame(codes, before.linear.shape if before else None, number)
        what = f"{codes.dtype} of {codes.shape[1]} x {codes.shape[0]} pixels"
        good = codes.dtype == np.uint8 and min(codes.shape[:2]) >= MIN_SIDE
        require(good, f"frame {number} is {what}; to interpolate, frames are uint8 of at least {MIN_SIDE} pixels a side")
        after = _Frame(response.decode(codes), cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY))
        if before and factor > 1:
            yield from _between(before, after, factor)
        yield after.linear
        before = after


@dataclass(frozen=True)
class _Frame:
    """``linear``: float32 (H, W, 3). ``grey``: uint8 (H, W), in which motion is measured."""

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
        # What the last frame shows and the first does not have was hidden there: what the first shows instead belongs elsewhere.
        share_first = (1 - time) * _trust(at_first, _sample(found_in_first, at_last, cv2.INTER_LINEAR))
        share_last = time * _trust(at_last, _sample(found_in_last, at_first, cv2.INTER_LINEAR))
        blend = share_first * _sample(first.linear, at_first, cv2.INTER_CUBIC)
        blend += share_last * _sample(last.linear, at_last, cv2.INTER_CUBIC)
        yield np.clip(blend / (share_first + share_last), 0, 1)


def _flows(first: U8, last: U8) -> tuple[F32, F32]:
    """The motion of each pixel of the first frame, float32 (H, W, 2) in (x, y), and of each of the last frame back."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # nothing promises that the flow is the same however the search is split among threads
    try:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return search.calc(first, last, None), search.calc(last, first, None)
    finally:
        cv2.setNumThreads(threads)


def _found(flow: F32, other: F32, grid: F32) -> F32:
    """How surely each pixel is found in the other frame, from 0 to 1, float32 (H, W): the flow back leads to where it started."""
    back = _sample(other, grid + flow, cv2.INTER_LINEAR)
    miss, lengths = ((flow + back) ** 2).sum(axis=2), (flow**2 + back**2).sum(axis=2)
    return 1 / (1 + miss / (_MISS + _MISS_SHARE * lengths))


def _trust(places: F32, found: F32) -> F32:
    """The weight of what a frame has at these places, float32 (H, W, 1); next to nothing outside it, but never nothing."""
    height, width = found.shape
    inside = ((places >= -0.5) & (places <= (width - 0.5, height - 0.5))).all(axis=2)
    return (found * inside + np.float32(1e-3))[..., None]


def _grid(shape: tuple[int, ...]) -> F32:
    rows, columns = np.indices(shape, np.float32)
    return np.stack((columns, rows), axis=2)


def _sample(values: Array, places: F32, how: int) -> Array:
    return cv2.remap(values, places, None, how, borderMode=cv2.BORDER_REPLICATE)
