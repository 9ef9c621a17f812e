"""The blur of a longer exposure: the mean of the frames around the sharp frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.frames import average_frames, window
from blurkit.blurring.interpolate import MIN_SIDE, interpolated
from blurkit.camera.response import Response
from blurkit.errors import BadImageError, UsageError
from blurkit.pair.degradation import Blur, Motion
from blurkit.recipes.sections import FrameAveraging
from blurkit.truth.box import Box
from blurkit.truth.scene import Frames
from blurkit.truth.truth import Truth

#: Motion between frames is also measured in this many pixels around the requested box.
_MARGIN = 32


@dataclass(frozen=True, eq=False)
class AveragedFrames(Motion):
    """Consecutive frames of a clip. The light of a pixel comes from the same pixel of each frame. ``numbers``: of the frames in
    the clip; the middle frame is the photograph. ``steps``: from one frame to the next."""

    frames: Frames
    numbers: range
    steps: int

    reach = 0

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """Returns the mean over a region. Its kernels are not known."""
        return MeanOfFrames(Truth.unknown(), self)

    def read(self, image: NDArray[np.uint8], box: Box) -> Iterator[NDArray[np.uint8]]:
        """Yields the codes of each frame in a box, uint8 (h, w, 3)."""
        for number in self.numbers:
            frame = image if number == self.frames.place else self.frames.read(number)
            if frame.shape != image.shape:
                raise BadImageError("frame_size", f"frame {number} has shape {frame.shape}, the sharp one {image.shape}")
            yield np.ascontiguousarray(frame[box.slices])


@dataclass(frozen=True, eq=False)
class MeanOfFrames(Blur):
    """The mean light of frames. A region is blurred in one piece, so that every frame is decoded once."""

    averaged: AveragedFrames

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        steps = self.averaged.steps
        around = box.grown(_MARGIN, image.shape) if steps > 1 else box
        codes = self.averaged.read(image, around)
        mean = average_frames(interpolated(codes, steps, tone) if steps > 1 else codes, tone)
        return mean[box.within(around).slices]


def draw_frames(
    rule: FrameAveraging, frames: Frames | None, shape: tuple[int, int], *, rng: np.random.Generator
) -> AveragedFrames:
    """Draws how many frames are averaged around a photograph of ``shape`` (H, W). Raises :class:`BadImageError` with the reason
    ``too_few_frames``, or ``too_small`` if frames are interpolated and the photograph is too small to measure motion."""
    if rule.steps > 1 and min(shape) < MIN_SIDE:
        raise BadImageError("too_small", f"{shape[1]}x{shape[0]} pixels; frames between frames need {MIN_SIDE} a side")
    try:
        numbers = window(frames.count if frames else 1, rule.count, rng=rng, centre=frames.place if frames else 0)
    except UsageError as error:
        where = f"frame {frames.place} of {frames.count}" if frames else "the single photograph"
        fewer = f", or average fewer with --set frames.count=[3,{rule.count[1]}]" if rule.count[0] > 3 else ""
        least = f"the recipe averages {rule.count[0] | 1} frames at least, and there are fewer around {where}"
        raise BadImageError("too_few_frames", f"{least}; use a longer clip{fewer}") from error
    assert frames is not None, "a window of three or more frames needs a clip"
    drawn = {"frames": float(len(numbers)), "first_frame": float(numbers[0]), "frame_steps": float(rule.steps)}
    return AveragedFrames(frames, numbers, rule.steps, parameters=drawn)
