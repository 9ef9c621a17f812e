"""How the camera moves, drawn for one sample: one kernel for the whole frame, or a rotation."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.codes import blur_region
from blurkit.blurring.gather import blur_field
from blurkit.blurring.layers.paths import NodePaths, UniformPath, turning
from blurkit.camera.response import Response
from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture, compose
from blurkit.kernels.field import SPACING, composed, principal_point, rotation_field
from blurkit.kernels.rasterization import exposure_weights
from blurkit.kernels.rotation import camera_rotation, centered, displacements
from blurkit.kernels.trajectory import ShakeTerms
from blurkit.pair.degradation import Blur, Light
from blurkit.pair.shake import draw_shake
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Defocus, Rotation
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField

#: Length in pixels of the published paths, for which the pull of the published process is given per pixel.
PUBLISHED_LENGTH = 60.0


@dataclass(frozen=True, eq=False)
class Shaken:
    """One kernel for the whole frame, made by a ``path``, float64 (T, 2), unless it comes from a bank."""

    kernel: NDArray[np.float32]
    path: NDArray[np.float64]
    parameters: dict[str, float]

    @property
    def reach(self) -> int:
        return self.kernel.shape[0] // 2

    @property
    def exposure(self) -> float:
        return self.parameters.get("exposure", 1.0)  # kernels of a bank are whole exposures

    @property
    def samples(self) -> int:
        """Instants of the whole path."""
        return len(self.path)

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        return Blur(self.kernel, functools.partial(_uniform_light, self.kernel), uniform=True, path=self.path)

    def paths(self, blur: Blur) -> UniformPath:
        """The exposed path that made a blur, for objects on top of it."""
        return UniformPath(*self.path_at(0, 0))

    def path_at(self, y: float, x: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The exposed path of a pixel, (T, 2), and the weights of its instants, (T,)."""
        weights = exposure_weights(len(self.path), self.exposure)
        return self.path[: len(weights)], weights


@dataclass(frozen=True, eq=False)
class Turned:
    """A camera that turns. ``poses``: (T, 3), centred; ``focal``: length in pixels; ``shape``: (H, W) of the photograph;
    ``aperture``: the kernel of its defocus."""

    poses: NDArray[np.float64]
    weights: NDArray[np.float64]
    focal: float
    shape: tuple[int, int]
    parameters: dict[str, float]
    aperture: NDArray[np.float32] | None = None

    @functools.cached_property
    def reach(self) -> int:
        # It is largest in a corner, of the nodes: the last ones lie beyond the photograph, and pixels are blended from them too.
        bottom, right = (((side - 1) // SPACING + 1) * SPACING for side in self.shape)
        corners = [(x, y) for x in (0, right) for y in (0, bottom)]
        exposed = self.poses[: len(self.weights)]
        moves = displacements(-exposed, corners, focal=self.focal, center=principal_point(self.shape))
        return math.ceil(float(np.abs(moves).max())) + (0 if self.aperture is None else len(self.aperture) // 2)

    @property
    def exposure(self) -> float:
        return self.parameters["exposure"]

    @property
    def samples(self) -> int:
        """Instants of the whole path."""
        return len(self.poses)

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        nodes = rotation_field(self.poses, self.weights, shape=self.shape, box=region, focal=self.focal)
        nodes = nodes if self.aperture is None else composed(nodes, self.aperture)
        y, x, height, width = crop
        kernel = nodes.at(y + (height - 1) / 2, x + (width - 1) / 2)
        return Blur(kernel, functools.partial(_field_light, nodes), nodes=nodes, poses=self.poses)

    def paths(self, blur: Blur) -> NodePaths:
        """The exposed paths that made a blur's nodes, for objects on top of them."""
        assert blur.nodes is not None  # this motion made it
        return turning(blur.nodes, self.poses, self.weights, shape=self.shape, focal=self.focal)

    def path_at(self, y: float, x: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The exposed path of a pixel, (T, 2), and the weights of its instants, (T,)."""
        exposed, center = self.poses[: len(self.weights)], principal_point(self.shape)
        return -displacements(-exposed, [(x, y)], focal=self.focal, center=center)[0], self.weights


def draw_camera_motion(
    recipe: Recipe, shape: tuple[int, int], *, focal: float | None = None, rng: np.random.Generator
) -> Shaken | Turned:
    """The motion of the camera, with its defocus; of a photograph of ``shape`` (H, W) the focal length in pixels may be known."""
    if recipe.rotation is not None:
        turned = _draw_rotation(recipe, recipe.rotation, shape, focal, rng)
        if recipe.defocus is None:
            return turned
        return replace(turned, aperture=_draw_defocus(recipe.defocus, turned.parameters, rng))
    shake = draw_shake(recipe, rng=rng)
    kernel, parameters = shake.kernel, dict(shake.parameters)
    if recipe.defocus is not None:
        aperture = _draw_defocus(recipe.defocus, parameters, rng)
        kernel = compose(kernel, aperture) if aperture is not None else kernel
    return Shaken(kernel, shake.path, parameters)


def _uniform_light(kernel: NDArray[np.float32], image: NDArray[np.uint8], tone: Response, region: Box) -> Light:
    return lambda box: blur_region(image, kernel, tone, box)


def _field_light(nodes: KernelField, image: NDArray[np.uint8], tone: Response, region: Box) -> Light:
    return lambda box: blur_field(image, nodes, box, table=tone.table)


def draw_kernel(recipe: Recipe | Mixture, *, rng: np.random.Generator) -> NDArray[np.float32]:
    """The kernel of one sample, float32 (k, k). Raises :class:`UsageError` where there is none for the whole frame."""
    recipe, _ = recipe.choose(rng=rng)
    if recipe.rotation is not None or recipe.frames is not None:
        raise UsageError(
            f"the blur of recipe {recipe.name!r} has no single kernel that holds for the frame; choose another --recipe"
        )
    motion = draw_camera_motion(recipe, (1, 1), rng=rng)
    return motion.over((0, 0, 1, 1), (0, 0, 1, 1), rng=rng).kernel


def _draw_defocus(defocus: Defocus, parameters: dict[str, float], rng: np.random.Generator) -> NDArray[np.float32] | None:
    drawn = draw_aperture(defocus, parameters, rng=rng)
    return drawn and drawn[0].kernel(drawn[1])


def draw_aperture(defocus: Defocus, parameters: dict[str, float], *, rng: np.random.Generator) -> tuple[Aperture, float] | None:
    """The aperture and the radius of the circle of confusion in pixels, ``None`` for a sample in focus. What is drawn joins the
    parameters."""
    if rng.random() >= defocus.share:
        return None
    radius, blades = float(rng.uniform(*defocus.radius)), int(rng.choice(defocus.blades))
    rotation = float(rng.uniform(0, 2 * math.pi)) if blades else 0.0
    parameters |= {"defocus_radius": radius, "blades": float(blades), "aperture_rotation": rotation}
    return Aperture(blades, rotation), radius


def _draw_rotation(
    recipe: Recipe, rotation: Rotation, shape: tuple[int, int], focal: float | None, rng: np.random.Generator
) -> Turned:
    length, roll = (float(rng.uniform(*ends)) / 1000 for ends in (rotation.length, rotation.roll))
    anxiety = float(rng.choice(rotation.anxiety))
    rates = ShakeTerms.draw(rng=rng).rates(anxiety)
    times = float(rng.uniform(*rotation.focal))
    focal = times * max(shape) if focal is None else focal
    exposure = float(rng.choice(recipe.kernel.exposure))
    scaled = {**rates, "pull": rates["pull"] * PUBLISHED_LENGTH / length}  # as strong over this path as over the published one
    poses = camera_rotation(length=length, roll_length=roll, **scaled, samples=rotation.samples, rng=rng)
    weights = exposure_weights(len(poses), exposure)
    drawn = {"exposure": exposure, "rotation_length": length, "roll_length": roll, "anxiety": anxiety, "focal": focal, **scaled}
    return Turned(centered(poses, weights), weights, focal, shape, drawn)
