"""Pairs whose blurred image is a real photograph: both images are cropped, and nothing is drawn but the place of the crop."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.response import load_response
from blurkit.errors import BadImageError, UsageError
from blurkit.pair.crop import draw_sharp_crop, valid_box
from blurkit.pair.registration import HALF, brightened, moved, register
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import RealBlur
from blurkit.truth.box import Box
from blurkit.truth.scene import Registration, Scene

#: A shift of fewer standard errors is none: moving the image would only blur it.
_CERTAIN = 3.0


class RealCrops(NamedTuple):
    """``sharp``, ``blurred``: the same crop of both images, uint8 (h, w, 3). ``crop``: its place in the blurred image. ``valid``:
    its part that used no reflected pixels. ``parameters``: what registration did, by name."""

    sharp: NDArray[np.uint8]
    blurred: NDArray[np.uint8]
    crop: Box
    valid: Box
    parameters: dict[str, float]


def real_crops(
    image: NDArray[np.uint8],
    scene: Scene,
    recipe: Recipe,
    size: tuple[int, int] | None,
    least: float,
    *,
    rng: np.random.Generator,
) -> RealCrops:
    """Returns the same crop of the sharp and of the real blurred image.

    ``scene``: has the real blurred image, of the size of ``image``. ``recipe``: with the section ``real``. ``size``, ``least``:
    see :func:`blurkit.pair.crop.draw_sharp_crop`. Raises :class:`UsageError` if there is no real blurred image. Raises
    :class:`BadImageError` as that function does, and with the reason ``not_registered`` or ``misregistered``.
    """
    section = recipe.real or RealBlur()
    if scene.blurred is None:
        raise UsageError("recipe section [real] takes real blurred photographs, and this photograph has none; see --src pairs")
    blurred = scene.blurred(section.kind)
    sharp, inside, border, done = image, Box(0, 0, *image.shape[:2]), 0, dict[str, float]()
    if section.register:
        response = load_response(recipe.response.decode)
        found = scene.registration(section.kind) if scene.registration else register(image, blurred, response)
        done = _decided(found, section)
        shift = (done["shift_y"], done["shift_x"])
        sharp, inside = moved(image, shift)
        border = HALF if any(part % 1 for part in shift) else 0
        if section.gain:
            sharp = brightened(sharp, found.gain, response)
    crop = draw_sharp_crop(sharp, size, 0, least, rng=rng)
    place = Box(inside.y + crop.y, inside.x + crop.x, crop.height, crop.width)
    valid = valid_box(sharp.shape[:2], crop, border)
    return RealCrops(np.ascontiguousarray(sharp[crop.slices]), np.ascontiguousarray(blurred[place.slices]), place, valid, done)


def _decided(found: Registration, section: RealBlur) -> dict[str, float]:
    """What is done about a registration. A shift that its error does not make certain is not carried out. Raises
    :class:`BadImageError` if the shift is larger than the section allows."""
    y, x = found.shift
    if max(abs(y), abs(x)) > section.limit:
        raise BadImageError("misregistered", f"the images are shifted by ({y:.2f}, {x:.2f}) pixels, more than {section.limit:g}")
    if math.hypot(y, x) < _CERTAIN * found.error:
        y = x = 0.0
    return {"shift_y": y, "shift_x": x, "shift_error": found.error, "sharp_gain": found.gain if section.gain else 1.0}
