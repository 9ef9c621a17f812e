"""Objects cut out of a photograph: layers that, laid over each other again, are the photograph.

An outline is drawn by hand, to a pixel or three, and edges in a photograph are soft. What a moving object leaves behind is filled
in from beyond a band around its outline, or it would leave a rim of itself; and beyond its outline the object continues with
colours from within, or it would carry a rim of its old background along. What the photograph shows in that band and the layers do
not, the rest, belongs to the object where it was, and fades as it leaves.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from blurkit.blurring.layers.fill import GROWTH, fill, grown
from blurkit.camera.arrays import F32, Bools
from blurkit.jit import compiled

#: Deviation in pixels of the Gaussian that makes an outline as soft as edges in photographs are.
SOFTNESS = 0.8

_NEAR = 2.0  # px, the deviation of the Gaussian that gathers colours from within an outline
_CONTEXT = 32  # px around a hole that it is filled from


class Layers(NamedTuple):
    """``background``: float32 (H, W, 3), the scene without the k moving objects. For each of these, from back to front,
    ``objects``: float32 (k, H, W, 4), its linear light times its opacity, and its opacity in [0, 1]; ``clear``: float32 (k, H, W)
    in {0, 1}, where no standing object hides it; ``rest``: float32 (k, H, W, 3).

    With ``scene = background``, then ``scene += clear * (colours - opacity * scene)`` for one object after the other, then
    ``scene += rest`` for each, ``scene`` is the photograph."""

    background: F32
    objects: F32
    clear: F32
    rest: F32


def cut_out(linear: F32, masks: Bools, moving: Bools) -> Layers:
    """The layers of a photograph.

    ``linear``: float32 (H, W, 3). ``masks``: bool (n, H, W), from back to front; a pixel of several is the last one's.
    ``moving``: bool (n,), which of them become layers; the others stay in the background, and hide moving ones behind them.
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
    background, rest = linear.copy(), np.zeros((*shape, 3), np.float32)
    if hole.any():
        background[box][hole[box]] = fill(linear[box], ~(hole | standing)[box])[hole[box]]
    _give_rest(linear, background, objects, clear, bands, rest)
    return Layers(background, objects, clear, rest)


def _layer(linear: F32, mask: Bools, front: Bools) -> F32:
    """Colours times opacity, and opacity, of an object seen in ``mask`` and in part perhaps hidden by what is in ``front``."""
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
    """Light and outline of an object continued behind what hides it, where more of what is around the hidden part is it."""
    hidden = grown(front, GROWTH)
    own = mask & ~hidden
    layer = fill(_with_weight(linear, own if own.any() else mask), ~hidden if own.any() else ~front)
    light = layer[..., :3] / np.maximum(layer[..., 3:], np.float32(1e-6))
    return np.where(own[..., None], linear, light), mask | (hidden & (layer[..., 3] > 0.5))


def _with_weight(light: F32, mask: Bools) -> F32:
    weight = mask.astype(np.float32)[..., None]
    return np.concatenate((light * weight, weight), axis=2)


@compiled(error_model="numpy")
def _give_rest(linear: F32, background: F32, objects: F32, clear: F32, bands: Bools, rest: F32) -> None:
    """What the layers lack of the photograph, given at each pixel to the frontmost object whose band it is in."""
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
                rest[owner, y, x, c] = linear[y, x, c] - scene


def _around(mask: Bools, margin: int) -> tuple[slice, slice]:
    """The bounding box of a mask, bool (H, W), widened by a margin to multiples of it as far as the image reaches."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    starts = (max((line[0] - margin) // margin * margin, 0) for line in (rows, columns))
    stops = (-(-(line[-1] + 1 + margin) // margin) * margin for line in (rows, columns))
    return tuple(map(slice, starts, stops))  # type: ignore[return-value]
