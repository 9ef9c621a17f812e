"""Cutting a photograph into a background and layers of objects. Laid over each other again, the layers are the photograph.

An outline is drawn by hand with an error of one to three pixels, and edges in photographs are soft. So a band around the outline
is uncertain. The background behind a moving object is filled from outside the band; otherwise a rim of the object would stay
behind. In the band, the object continues with colours from inside its outline; otherwise it would take a rim of its old
background along. The residual is the difference between the photograph and the layers in the band. It stays at the old place of
the object and fades as the object moves away.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from blurkit.blurring.layers.fill import GROWTH, fill, grown
from blurkit.camera.arrays import F32, Bools
from blurkit.jit import compiled

#: The standard deviation, in pixels, of the Gaussian that makes an outline as soft as the edges in photographs.
SOFTNESS = 0.8

_NEAR = 2.0  # px, the standard deviation of the Gaussian that averages colours inside an outline
_CONTEXT = 32  # px, the width of the surroundings that a hole is filled from


class Layers(NamedTuple):
    """The layers of a photograph with k moving objects, from back to front.

    ``background``: the scene without the moving objects, float32 (H, W, 3). ``objects``: linear light times opacity, and opacity
    in [0, 1], float32 (k, H, W, 4). ``clear``: 0 where a standing object hides the moving object, else 1, float32 (k, H, W).
    ``residual``: what the layers lack of the photograph, float32 (k, H, W, 3).

    The photograph is the result of: ``scene = background``; for each object ``scene += clear * (colours - opacity * scene)``;
    then for each object ``scene += residual``.
    """

    background: F32
    objects: F32
    clear: F32
    residual: F32


def cut_out(linear: F32, masks: Bools, moving: Bools) -> Layers:
    """Cut a photograph into layers.

    ``linear``: linear light, float32 (H, W, 3). ``masks``: of the objects from back to front, bool (n, H, W). A pixel of several
    masks belongs to the last of them. ``moving``: which objects become layers, bool (n,). The other objects stay in the
    background and hide moving objects behind them.
    """
    shape = (int(moving.sum()), *masks.shape[1:])
    objects, clear, bands = np.zeros((*shape, 4), np.float32), np.ones(shape, np.float32), np.zeros(shape, bool)
    front, standing = np.zeros(shape[1:], bool), np.zeros(shape[1:], bool)
    place = shape[0]
    for mask, moves in zip(masks[::-1], moving[::-1], strict=True):
        place -= int(moves)
        if moves and mask.any():
            box = _around(mask, GROWTH + round(3 * _NEAR))
            seen = mask[box] & ~front[box]
            clear[place][standing] = 0
            objects[place][box] = _layer(linear[box], seen, front[box])
            bands[place][box] = grown(seen, GROWTH) | (objects[place][box][..., 3] > 0)
        elif mask.any():
            standing |= grown(mask, 1)
        front |= mask
    hole = bands.any(axis=0) & ~standing
    box = _around(hole, _CONTEXT)
    background, residual = linear.copy(), np.zeros((*shape, 3), np.float32)
    if hole.any():
        background[box][hole[box]] = fill(linear[box], ~(hole | standing)[box])[hole[box]]
    _fill_residual(linear, background, objects, clear, bands, residual)
    return Layers(background, objects, clear, residual)


def _layer(linear: F32, mask: Bools, front: Bools) -> F32:
    """Colours times opacity, and opacity, of one object. ``mask``: its visible pixels. ``front``: pixels of objects before it."""
    light, solid = linear, mask
    if (grown(mask, GROWTH) & front).any():
        light, solid = _completed(linear, mask, front)
    layer = cv2.GaussianBlur(_with_weight(light, solid), (0, 0), _NEAR)
    layer[..., :3] /= np.maximum(layer[..., 3:], np.float32(1e-12))
    np.copyto(layer[..., :3], light, where=solid[..., None])
    layer[..., 3] = cv2.GaussianBlur(solid.astype(np.float32), (5, 5), SOFTNESS)
    layer[..., :3] *= layer[..., 3:]
    return layer


def _completed(linear: F32, mask: Bools, front: Bools) -> tuple[F32, Bools]:
    """The light and the mask of an object, continued behind ``front`` where most pixels around the hidden part are the object."""
    hidden = grown(front, GROWTH)
    own = mask & ~hidden
    layer = fill(_with_weight(linear, own if own.any() else mask), ~hidden if own.any() else ~front)
    light = layer[..., :3] / np.maximum(layer[..., 3:], np.float32(1e-6))
    return np.where(own[..., None], linear, light), mask | (hidden & (layer[..., 3] > 0.5))


def _with_weight(light: F32, mask: Bools) -> F32:
    weight = mask.astype(np.float32)[..., None]
    return np.concatenate((light * weight, weight), axis=2)


@compiled(error_model="numpy")
def _fill_residual(linear: F32, background: F32, objects: F32, clear: F32, bands: Bools, residual: F32) -> None:
    """Fill ``residual``. At each pixel it belongs to the frontmost object whose band holds the pixel."""
    for y in range(linear.shape[0]):
        for x in range(linear.shape[1]):
            owner = -1
            for j in range(bands.shape[0]):
                owner = j if bands[j, y, x] else owner
            if owner < 0:
                continue
            for c in range(3):
                scene = background[y, x, c]
                for j in range(bands.shape[0]):
                    scene += clear[j, y, x] * (objects[j, y, x, c] - objects[j, y, x, 3] * scene)
                residual[owner, y, x, c] = linear[y, x, c] - scene


def _around(mask: Bools, margin: int) -> tuple[slice, slice]:
    """The bounding box of a mask, bool (H, W), widened by a margin and then to multiples of the margin."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    starts = (max((line[0] - margin) // margin * margin, 0) for line in (rows, columns))
    stops = (-(-(line[-1] + 1 + margin) // margin) * margin for line in (rows, columns))
    return tuple(map(slice, starts, stops))  # type: ignore[return-value]
