"""Warps both images of a pair alike: shifted, scaled and rotated, with a lens's distortion, or sheared.

The ranges are those of the library albumentations of 2019, which the code of DeblurGAN-v2 uses. That code warps whole frames. The
warps here are of crops, with lengths in proportion to the side. The elastic distortion of the library also has a field of random
displacements, which is left out, since with its settings no pixel moves by more than a few hundredths of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: A warp: the matrix (a, b, c, d, e, f) and the distortion k. The pixel at (x, y) is read from (a x + b y + c, d x + e y + f)
#: times 1 + k r^2 + k r^4. Places are relative to the centre in units of the side, and r is the distance from the centre.
Numbers = tuple[float, float, float, float, float, float, float]

#: The random numbers of a pair, uniform in [0, 1): whether it is warped, by which warp, and six of the warp.
DRAWS = 8


def shift_scale_rotate(u: Sequence[float]) -> Numbers:
    """Shifts by at most 1/16 of the side along x and y, scales by 0.9 to 1.1, rotates by at most 45 degrees about the centre."""
    dx, dy = (0.0625 * (2 * number - 1) for number in u[:2])
    zoom, angle = 0.9 + 0.2 * u[2], math.radians(90 * u[3] - 45)
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    return cosine, -sine, -cosine * dx + sine * dy, sine, cosine, -sine * dx - cosine * dy, 0.0


def optical(u: Sequence[float]) -> Numbers:
    """Distorts as a lens does, with k of at most 0.05."""
    return 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.05 * (2 * u[0] - 1)


def elastic(u: Sequence[float]) -> Numbers:
    """Moves three of the four points (1/3, 1/3), (1/3, -1/3), (-1/3, -1/3) by at most 50 in 720 of the side along x and y."""
    (x0, y0), (x1, y1), (x2, y2) = (
        (x + (2 * u[place] - 1) * 50 / 720, y + (2 * u[place + 1] - 1) * 50 / 720)
        for place, (x, y) in zip((0, 2, 4), ((1 / 3, 1 / 3), (1 / 3, -1 / 3), (-1 / 3, -1 / 3)), strict=True)
    )
    return 1.5 * (x1 - x2), 1.5 * (x0 - x1), (x0 + x2) / 2, 1.5 * (y1 - y2), 1.5 * (y0 - y1), (y0 + y2) / 2, 0.0


WARPS: dict[str, Callable[[Sequence[float]], Numbers]] = {
    "shift-scale-rotate": shift_scale_rotate,
    "optical": optical,
    "elastic": elastic,
}


def draw_warp(u: Sequence[float], names: Sequence[str], share: float) -> Numbers | None:
    """Returns the warp of a pair, or None. ``u``: its DRAWS random numbers. ``share``: of the pairs that are warped."""
    return WARPS[names[int(u[1] * len(names))]](u[2:]) if names and u[0] < share else None


def warp(images: Tensor, numbers: Tensor) -> Tensor:
    """Returns square images, float (N, 3, s, s), warped alike, bilinear, reflected at the edges. ``numbers``: float (7,)."""
    side = images.shape[-1]
    places = (torch.arange(side, dtype=images.dtype, device=images.device) - (side - 1) / 2) / side
    y, x = torch.meshgrid(places, places, indexing="ij")
    a, b, c, d, e, f, k = numbers.unbind()
    xy = torch.stack((a * x + b * y + c, d * x + e * y + f), dim=-1)
    squares = xy.square().sum(-1, keepdim=True)
    grid = xy * (1 + k * squares + k * squares.square()) * (2 * side / (side - 1))
    return F.grid_sample(images, grid.expand(len(images), -1, -1, -1), padding_mode="reflection", align_corners=True)
