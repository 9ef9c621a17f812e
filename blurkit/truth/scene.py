"""What is known about a photograph beside its pixels, which a recipe may make use of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.truth.box import Box
from blurkit.truth.masks import Masks


@dataclass(frozen=True)
class Frames:
    """A sequence that the photograph is part of. ``read(number)`` gives a frame, uint8 (H, W, 3) of the photograph's size, and
    raises :class:`blurkit.errors.BadImageError`; ``count``: how many there are; ``place``: which one the photograph is."""

    read: Callable[[int], NDArray[np.uint8]]
    count: int
    place: int


@dataclass(frozen=True, eq=False)
class Scene:
    """``focal``: the focal length in pixels. ``masks``: the outlined objects within a box of the photograph. ``disparity``:
    float32 (H, W), in any unit that is inverse to depth up to an offset, large for near, not finite where it is unknown.
    ``frames``: those before and after it."""

    focal: float | None = None
    masks: Callable[[Box], Masks] | None = None
    disparity: NDArray[np.float32] | None = None
    frames: Frames | None = None
