"""A lens that is out of focus by each surface's distance, on a camera that shakes."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.layers.depth import blur_depth, circle_of_confusion, fill_holes, reach_of
from blurkit.camera.response import Response
from blurkit.kernels.aperture import Aperture
from blurkit.pair.camera_motion import Shaken, draw_aperture, draw_camera_motion
from blurkit.pair.degradation import Blur, Light, Motion, at_once, within
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Defocus
from blurkit.truth.box import Box


@dataclass(frozen=True, eq=False)
class Focused:
    """``camera``: in focus everywhere. ``radius``: float32 (H, W), the signed radius of the circle of confusion of each pixel of
    the photograph, in pixels."""

    camera: Shaken
    aperture: Aperture
    radius: NDArray[np.float32]
    parameters: dict[str, float]

    @property
    def reach(self) -> int:
        """How far away, in pixels, a pixel's light comes from at most."""
        return self.camera.reach + reach_of(self.radius)

    @property
    def exposure(self) -> float:
        """The fraction of the path that is seen."""
        return self.camera.exposure

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """The blur of a crop; its kernel is that of the motion alone."""
        sharp = self.camera.over(crop, region, rng=rng)
        part = within((0, 0, *self.radius.shape), crop)
        return replace(sharp, uniform=False, radius=self.radius[part].copy(), light=functools.partial(_light, self))


def draw_focused(
    recipe: Recipe, defocus: Defocus, disparity: NDArray[np.float32], shape: tuple[int, int], *, rng: np.random.Generator
) -> Motion:
    """Draw the motion of the camera, the aperture, and what is in focus: a disparity of the photograph, each pixel as likely."""
    camera = draw_camera_motion(replace(recipe, defocus=None), shape, rng=rng)
    parameters = dict(camera.parameters)
    drawn = draw_aperture(defocus, parameters, rng=rng)
    if drawn is None or not isinstance(camera, Shaken):
        return camera
    aperture, largest = drawn
    filled = fill_holes(disparity)
    focus = float(np.quantile(filled, rng.random()))
    furthest = float(np.abs(filled - focus).max())
    strength = largest / furthest if furthest else 0.0
    radius = circle_of_confusion(filled, focus=focus, strength=strength)
    return Focused(camera, aperture, radius, {**parameters, "focus": focus})


def _light(focused: Focused, image: NDArray[np.uint8], tone: Response, region: Box) -> Light:
    """Defocus, then motion, over all of the region at once: layers are laid over each other from back to front."""
    halo = focused.camera.reach
    (rows, columns), (y, x, height, width) = image.shape[:2], region
    top, left = max(y - halo, 0), max(x - halo, 0)
    box = (top, left, min(y + height + halo, rows) - top, min(x + width + halo, columns) - left)
    defocused = blur_depth(tone.table[image], focused.radius, aperture=focused.aperture, box=box)
    inner = (y - top, x - left, height, width)
    return at_once(convolve_box(defocused, inner, best_form(focused.camera.kernel), "reflect101"), region)
