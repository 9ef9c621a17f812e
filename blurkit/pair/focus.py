"""A lens that is out of focus by each surface's distance, on a camera that shakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.convolve import best_form, convolve_box
from blurkit.blurring.layers.depth import blur_depth, circle_of_confusion, fill_holes, reach_of
from blurkit.camera.response import Response
from blurkit.kernels.aperture import Aperture
from blurkit.pair.camera_motion import draw_aperture
from blurkit.pair.degradation import Blur, Motion
from blurkit.pair.shake import Shake, draw_shake
from blurkit.recipes.recipe import Recipe
from blurkit.truth.box import Box


@dataclass(frozen=True, eq=False)
class DepthDefocus(Motion):
    """``camera``: in focus everywhere. ``radius``: float32 (H, W), the signed radius of the circle of confusion of each pixel of
    the photograph, in pixels."""

    camera: Shake
    aperture: Aperture
    radius: NDArray[np.float32]

    @property
    def reach(self) -> int:
        return self.camera.reach + reach_of(self.radius)

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


def draw_focus(recipe: Recipe, disparity: NDArray[np.float32], *, rng: np.random.Generator) -> Motion:
    """Draw the shake of the camera, the aperture, and what is in focus: a disparity of the photograph, each pixel as likely."""
    camera = draw_shake(recipe, rng=rng)
    drawn = draw_aperture(recipe, camera, rng=rng)
    if drawn is None:
        return camera
    aperture, largest = drawn
    filled = fill_holes(disparity)
    focus = float(np.quantile(filled, rng.random()))
    furthest = float(np.abs(filled - focus).max())
    strength = largest / furthest if furthest else 0.0
    radius = circle_of_confusion(filled, focus=focus, strength=strength)
    return DepthDefocus(camera, aperture, radius, parameters={**camera.parameters, "focus": focus})
