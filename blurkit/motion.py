"""What blurs a photograph, drawn for one sample: one kernel for the whole frame, or the rotation of the camera."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blurkit.aperture import Aperture, compose
from blurkit.errors import UsageError
from blurkit.field import SPACING, principal_point, rotation_field
from blurkit.fused import blur_region
from blurkit.gather import blur_field
from blurkit.kernel import exposure_weights
from blurkit.nodes import KernelField
from blurkit.recipe import Recipe
from blurkit.response import Response
from blurkit.rotation import camera_rotation, centered, displacements
from blurkit.sections import Defocus, Rotation
from blurkit.shake import draw_shake, shake_bytes
from blurkit.tiles import Box
from blurkit.trajectory import ShakeTerms

#: Length in pixels of the published paths, for which the pull of the published process is given per pixel.
PUBLISHED_LENGTH = 60.0

#: About how many taps a node of a rotation has, for photographs of some megapixels.
_TAPS = 200


@dataclass(frozen=True, eq=False)
class Blur:
    """The blur of one crop.

    ``kernel``: float32 (k, k), that of the whole frame, or of the crop's middle. ``nodes``: the field of kernels in pixels of
    the photograph, or ``None``. ``path``: float64 (T, 2), (x, y) in pixels. ``poses``: float64 (T, 3), rotation vectors in
    radians.
    """

    kernel: NDArray[np.float32]
    nodes: KernelField | None = None
    path: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    poses: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))

    def light(self, image: NDArray[np.uint8], box: Box, tone: Response) -> NDArray[np.float32]:
        """Blurred linear light, float32 (h, w, 3), of a box of a photograph, uint8 (H, W, 3)."""
        if self.nodes is None:
            return blur_region(image, self.kernel, tone, box)
        return blur_field(image, self.nodes, box, table=tone.table)


@dataclass(frozen=True, eq=False)
class Shaken:
    """One kernel for the whole frame. ``parameters``: what was drawn, by name."""

    blur: Blur
    parameters: dict[str, float]

    @property
    def reach(self) -> int:
        """How far away, in pixels, a pixel's light comes from at most."""
        return self.blur.kernel.shape[0] // 2

    @property
    def exposure(self) -> float:
        """The fraction of the path that is seen; kernels of a bank are whole exposures."""
        return self.parameters.get("exposure", 1.0)

    def over(self, box: Box) -> Blur:
        """The blur of a box of the photograph."""
        return self.blur


@dataclass(frozen=True, eq=False)
class Turned:
    """A camera that turns. ``poses``: (T, 3), centred; ``focal``: length in pixels; ``shape``: (H, W) of the photograph."""

    poses: NDArray[np.float64]
    weights: NDArray[np.float64]
    focal: float
    shape: tuple[int, int]
    parameters: dict[str, float]

    @functools.cached_property
    def reach(self) -> int:
        """As of :class:`Shaken`; it is largest in a corner of the photograph."""
        corners = [(x, y) for x in (0, self.shape[1] - 1) for y in (0, self.shape[0] - 1)]
        exposed = self.poses[: len(self.weights)]
        moves = displacements(-exposed, corners, focal=self.focal, center=principal_point(self.shape))
        return math.ceil(float(np.abs(moves).max()))

    @property
    def exposure(self) -> float:
        """The fraction of the path that is seen."""
        return self.parameters["exposure"]

    def over(self, box: Box) -> Blur:
        """The blur of a box of the photograph; its kernel is that of the box's middle."""
        nodes = rotation_field(self.poses, self.weights, shape=self.shape, box=box, focal=self.focal)
        y, x, height, width = box
        return Blur(nodes.at(y + (height - 1) / 2, x + (width - 1) / 2), nodes, poses=self.poses)


def draw_motion(
    recipe: Recipe, shape: tuple[int, int], *, focal: float | None = None, rng: np.random.Generator
) -> Shaken | Turned:
    """The motion of one sample, of a photograph of ``shape`` (H, W) whose focal length in pixels may be known."""
    if recipe.rotation is not None:
        return _draw_rotation(recipe, recipe.rotation, shape, focal, rng)
    shake = draw_shake(recipe, rng=rng)
    kernel, parameters = shake.kernel, dict(shake.parameters)
    if recipe.defocus is not None:
        aperture = _draw_aperture(recipe.defocus, parameters, rng)
        kernel = compose(kernel, aperture) if aperture is not None else kernel
    return Shaken(Blur(kernel, path=shake.path), parameters)


def draw_kernel(recipe: Recipe, *, rng: np.random.Generator) -> NDArray[np.float32]:
    """The kernel of one sample, float32 (k, k). Raises :class:`UsageError` where there is none for the whole frame."""
    if recipe.rotation is not None:
        raise UsageError(
            f"the blur of recipe {recipe.name!r} varies over the frame: it has no single kernel; choose another --recipe"
        )
    return draw_motion(recipe, (1, 1), rng=rng).over((0, 0, 1, 1)).kernel


def _draw_aperture(defocus: Defocus, parameters: dict[str, float], rng: np.random.Generator) -> NDArray[np.float32] | None:
    if rng.random() >= defocus.share:
        return None
    radius, blades = float(rng.uniform(*defocus.radius)), int(rng.choice(defocus.blades))
    rotation = float(rng.uniform(0, 2 * math.pi)) if blades else 0.0
    parameters |= {"defocus_radius": radius, "blades": float(blades), "aperture_rotation": rotation}
    return Aperture(blades, rotation).kernel(radius)


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


def truth_bytes(recipe: Recipe, size: tuple[int, int] | None) -> int:
    """About how many bytes the truth about a crop of ``size`` takes as it is stored; whole photographs count as a megapixel.

    Nothing compiled is called: planning a million photographs is to fit in little memory.
    """
    height, width = size or (1000, 1000)
    mask = height * width // 8 if recipe.saturation else 0
    if recipe.rotation is None:
        return mask + shake_bytes(recipe, extra=2 * recipe.defocus.radius[1] if recipe.defocus else 0.0)
    nodes = math.prod(side // SPACING + 2 for side in (height, width))
    return mask + 12 * recipe.rotation.samples + nodes * (4 + 8 * _TAPS)
