"""Defocus that depends on depth, with a camera that shakes."""

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
    """The shake of a camera, and the defocus of each pixel. ``camera``: the shake without defocus. ``aperture``: the shape of the
    iris. ``radius``: the signed radius of the circle of confusion of each pixel of the photograph, float32 (H, W), in pixels."""

    camera: Shake
    aperture: Aperture
    radius: NDArray[np.float32]

    @property
    def reach(self) -> int:
        return self.camera.reach + reach_of(self.radius)

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """Returns the blur of a crop. The kernel in its truth is the kernel of the motion without defocus."""
        motion = self.camera.over(crop, region, rng=rng)
        return DepthBlur(replace(motion.truth, radius=self.radius[crop.slices].copy()), self)


@dataclass(frozen=True, eq=False)
class DepthBlur(Blur):
    """Defocus, then motion. A region is blurred in one piece, because layers are composed from back to front."""

    lens: DepthDefocus

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        around = box.grown(self.lens.camera.reach, image.shape)
        defocused = blur_depth(tone.table[image], self.lens.radius, aperture=self.lens.aperture, box=around)
        return convolve_box(defocused, box.within(around), best_form(self.truth.kernel), "reflect101")


def draw_focus(recipe: Recipe, disparity: NDArray[np.float32], *, rng: np.random.Generator) -> Motion:
    """Draws the shake of the camera, the aperture, and the disparity in focus. Each pixel's disparity is equally likely. Returns
    only the shake for a sample in focus."""
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
