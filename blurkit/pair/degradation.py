"""What blurs one crop of a photograph, whichever physics it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.response import Response
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import Moves

#: The blurred light of a box of the photograph, float32 (h, w, 3). What it gives is the caller's to change.
Light = Callable[[Box], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Blur:
    """The blur of one crop.

    ``kernel``: float32 (k, k), that of the whole frame, or of the crop's middle; (0, 0) where nobody knows it. ``light``: called
    with a photograph, uint8 (H, W, 3), what decodes it, and the region in question, it gives the :data:`Light`. ``uniform``:
    whether that is the convolution with the kernel. ``nodes``: the field of kernels in pixels of the photograph. ``path``:
    float64 (T, 2), (x, y) in pixels. ``poses``: float64 (T, 3), rotation vectors in radians. ``objects``: those that the crop
    shows, where they matter, and ``moves``: what some of them did. ``radius``: float32 (h, w), of the crop's defocus where that
    follows depth.
    """

    kernel: NDArray[np.float32]
    light: Callable[[NDArray[np.uint8], Response, Box], Light]
    uniform: bool = False
    nodes: KernelField | None = None
    path: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    poses: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    objects: Masks | None = None
    moves: Moves = field(default_factory=Moves.none)
    radius: NDArray[np.float32] | None = None


class Motion(Protocol):
    """What blurs a photograph. ``reach``: how far away, in pixels, a pixel's light comes from at most. ``exposure``: the fraction
    of the whole path that is seen. ``parameters``: what was drawn, by name."""

    @property
    def reach(self) -> int: ...

    @property
    def exposure(self) -> float: ...

    @property
    def parameters(self) -> dict[str, float]: ...

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """The blur of a crop, whose light is asked for within a region around it."""


def within(outer: Box, inner: Box) -> tuple[slice, slice]:
    """Rows and columns of one box in the coordinates of another that holds it."""
    top, left = inner[0] - outer[0], inner[1] - outer[1]
    return slice(top, top + inner[2]), slice(left, left + inner[3])


def at_once(light: NDArray[np.float32], region: Box) -> Light:
    """Light of a region, float32 (h, w, 3), that was made in one piece."""
    return lambda box: light[within(region, box)].copy()
