"""What is known about a photograph besides its pixels, for recipes that use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.truth.box import Box
from blurkit.truth.masks import Masks


@dataclass(frozen=True)
class Frames:
    """The frames of the photograph's video. ``read(number)`` returns a frame of equal size, uint8 (H, W, 3), and can raise
    :class:`blurkit.errors.BadImageError`. ``count``: the number of frames. ``place``: the number of the photograph's frame."""

    read: Callable[[int], NDArray[np.uint8]]
    count: int
    place: int


@dataclass(frozen=True)
class Registration:
    """How the images of a real pair lie on each other. ``shift``: (y, x), by which the sharp image has to move to lie on the
    blurred one, and ``error``, its standard error, in pixels. ``gain``: the light of the blurred image relative to the sharp
    one."""

    shift: tuple[float, float]
    error: float
    gain: float


@dataclass(frozen=True, eq=False)
class Scene:
    """``focal``: the focal length in pixels. ``masks``: a function that returns the outlined objects in a box of the photograph.
    ``disparity``: float32 (H, W), linear in the inverse of depth, in any unit and with any offset; near points have large values,
    unknown points are not finite. ``frames``: the frames of the video around the photograph. ``blurred``: a function that
    returns a real blurred photograph of the scene by its kind, uint8 (H, W, 3). ``registration``: a function that returns how the
    real blurred photograph of a kind lies on this one, if it is asked for more than once; otherwise it is measured."""

    focal: float | None = None
    masks: Callable[[Box], Masks] | None = None
    disparity: NDArray[np.float32] | None = None
    frames: Frames | None = None
    blurred: Callable[[str], NDArray[np.uint8]] | None = None
    registration: Callable[[str], Registration] | None = None
