"""Draws how the camera moves in one sample: a shake or a turn, with the defocus of the whole frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture, compose
from blurkit.pair.degradation import Motion
from blurkit.pair.shake import Shake, draw_shake
from blurkit.pair.turn import Turn, draw_turn
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe


def draw_camera_motion(
    recipe: Recipe, shape: tuple[int, int], *, focal: float | None = None, rng: np.random.Generator
) -> Shake | Turn:
    """Draws the motion of the camera, with its defocus. ``shape``: (H, W) of the photograph. ``focal``: its focal length in
    pixels, or ``None`` if it is not known."""
    if recipe.rotation is not None:
        turn = draw_turn(recipe.rotation, recipe.kernel, shape, focal=focal, rng=rng)
        return replace(turn, aperture=_draw_defocus(recipe, turn, rng))
    shake = draw_shake(recipe, rng=rng)
    aperture = _draw_defocus(recipe, shake, rng)
    return shake if aperture is None else replace(shake, kernel=compose(shake.kernel, aperture))


def draw_kernel(recipe: Recipe | Mixture, *, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws the kernel of one sample, float32 (k, k), k odd, sum 1. Raises :class:`UsageError` if no single kernel is valid for
    the whole frame."""
    recipe, _ = recipe.choose(rng=rng)
    motion = None if recipe.frames is not None else draw_camera_motion(recipe, (1, 1), rng=rng)
    if not isinstance(motion, Shake):
        raise UsageError(f"recipe {recipe.name!r} has no single kernel for the whole frame; choose another --recipe")
    return motion.kernel


def draw_aperture(recipe: Recipe, camera: Motion, *, rng: np.random.Generator) -> tuple[Aperture, float] | None:
    """Draws the aperture, and the radius of the circle of confusion in pixels. Returns ``None`` for a sample in focus. Adds the
    drawn numbers to the parameters of the camera."""
    defocus = recipe.defocus
    if defocus is None or rng.random() >= defocus.share:
        return None
    radius, blades = float(rng.uniform(*defocus.radius)), int(rng.choice(defocus.blades))
    rotation = float(rng.uniform(0, 2 * math.pi)) if blades else 0.0
    camera.parameters.update(defocus_radius=radius, blades=float(blades), aperture_rotation=rotation)
    return Aperture(blades, rotation), radius


def _draw_defocus(recipe: Recipe, camera: Motion, rng: np.random.Generator) -> NDArray[np.float32] | None:
    drawn = draw_aperture(recipe, camera, rng=rng)
    return drawn and drawn[0].kernel(drawn[1])
