"""A lens that is out of focus by each surface's distance, on a camera that shakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.layers.depth import blur_depth, circle_of_confusion, fill_holes, reach_of
from blurkit.camera.response import Response
from blurkit.kernels.aperture import Aperture
from blurkit.pair.camera_motion import draw_aperture, draw_camera_motion
from blurkit.pair.degradation import Blur, Motion
from blurkit.pair.shake import Shake
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Defocus
from blurkit.truth.box import Box


@dataclass(frozen=True, eq=False)
class DepthDefocus:
    """``camera``: in focus everywhere. ``radius``: float32 (H, W), the signed radius of the circle of confusion of each pixel of
    the photograph, in pixels."""

    camera: Shake
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
        motion = self.camera.over(crop, region, rng=rng)
        return DepthBlur(replace(motion.truth, radius=self.radius[crop.slices].copy()), self)


@dataclass(frozen=True, eq=False)
class DepthBlur(Blur):
    """Defocus, then motion. All of a region is made at once: layers are laid over each other from back to front."""

    lens: DepthDefocus

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        around = box.grown(self.lens.camera.reach, image.shape)
        defocused = blur_depth(tone.table[image], self.lens.radius, aperture=self.lens.aperture, box=around)
        return convolve_box(defocused, box.within(around), best_form(self.truth.kernel), "reflect101")


def draw_focus(
    recipe: Recipe, defocus: Defocus, disparity: NDArray[np.float32], shape: tuple[int, int], *, rng: np.random.Generator
) -> Motion:
    """Draw the motion of the camera, the aperture, and what is in focus: a disparity of the photograph, each pixel as likely."""
    camera = draw_camera_motion(replace(recipe, defocus=None), shape, rng=rng)
    parameters = dict(camera.parameters)
    drawn = draw_aperture(defocus, parameters, rng=rng)
    if drawn is None or not isinstance(camera, Shake):
        return camera
    aperture, largest = drawn
    filled = fill_holes(disparity)
    focus = float(np.quantile(filled, rng.random()))
    furthest = float(np.abs(filled - focus).max())
    strength = largest / furthest if furthest else 0.0
    radius = circle_of_confusion(filled, focus=focus, strength=strength)
    return DepthDefocus(camera, aperture, radius, {**parameters, "focus": focus})
