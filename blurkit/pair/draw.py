"""Draws the motion of one sample: of the camera, of objects, with a lens out of focus, or of averaged frames."""

from __future__ import annotations

import math

import numpy as np

from blurkit.kernels.field import SPACING
from blurkit.pair.camera_motion import draw_camera_motion
from blurkit.pair.degradation import Motion
from blurkit.pair.focus import draw_focus
from blurkit.pair.frames import draw_frames
from blurkit.pair.objects import draw_objects
from blurkit.pair.shake import shake_bytes
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.truth.scene import Scene

#: The approximate number of taps of a rotation's node, for photographs of some megapixels.
_TAPS = 200

#: The approximate number of points in the path of a shake.
_SAMPLES = 600


def draw_motion(recipe: Recipe, shape: tuple[int, int], scene: Scene, *, rng: np.random.Generator) -> Motion:
    """Draws the motion of one sample of a photograph of ``shape`` (H, W). If the recipe asks for objects or depth and the scene
    does not have them, only the camera blurs. Raises :class:`blurkit.errors.BadImageError` if there are too few frames to
    average."""
    if recipe.frames is not None:
        return draw_frames(recipe.frames, scene.frames, shape, rng=rng)
    if recipe.defocus is not None and recipe.defocus.depth and recipe.rotation is None and scene.disparity is not None:
        return draw_focus(recipe, scene.disparity, rng=rng)
    camera = draw_camera_motion(recipe, shape, focal=scene.focal, rng=rng)
    if recipe.objects is None or scene.masks is None:
        return camera
    return draw_objects(camera, recipe.objects, scene.masks, shape, anchor=recipe.kernel.anchor, rng=rng)


def truth_bytes(recipe: Recipe | Mixture, size: tuple[int, int] | None) -> int:
    """The approximate size in a shard of the truth about a crop of ``size``, in bytes. A whole photograph counts as a megapixel.
    This calls no compiled code, so that the plan of a million photographs needs little memory."""
    weights = recipe.weights if isinstance(recipe, Mixture) else (1.0,)
    each = [weight * _truth_bytes(part, size) for weight, part in zip(weights, recipe.parts, strict=True)]
    return round(sum(each) / sum(weights))


def _truth_bytes(recipe: Recipe, size: tuple[int, int] | None) -> int:
    height, width = size or (1000, 1000)
    mask = height * width // 8 if recipe.saturation else 0
    if recipe.frames is not None or recipe.real is not None:
        return mask
    if recipe.objects is not None:
        count, extent = sum(recipe.objects.count) / 2, recipe.objects.length[1]
        samples = recipe.rotation.samples if recipe.rotation else _SAMPLES
        mask += round(count * (8 * samples + 4 * extent**2 + height * width / 8))
    if recipe.rotation is None:
        return mask + shake_bytes(recipe, extra=2 * recipe.defocus.radius[1] if recipe.defocus else 0.0)
    nodes = math.prod(side // SPACING + 2 for side in (height, width))
    return mask + 12 * recipe.rotation.samples + nodes * (4 + 8 * _TAPS)
