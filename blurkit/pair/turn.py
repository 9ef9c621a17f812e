"""Draws a camera that turns in one sample: a path of poses, and a field of kernels over the frame."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.blurring.gather import blur_field
from blurkit.blurring.layers.paths import NodePaths, turning
from blurkit.camera.response import Response
from blurkit.kernels.field import SPACING, composed, principal_point, rotation_field
from blurkit.kernels.rasterization import exposure_weights
from blurkit.kernels.rotation import camera_rotation, centered, displacements
from blurkit.kernels.trajectory import ShakeTerms
from blurkit.pair.degradation import Blur, Motion
from blurkit.recipes.sections import Kernel, Rotation
from blurkit.truth.box import Box
from blurkit.truth.truth import Truth

#: The length of the published paths in pixels. The pull of the published process is given per pixel, for this length.
PUBLISHED_LENGTH = 60.0


@dataclass(frozen=True, eq=False)
class Turn(Motion):
    """The poses of a camera that turns. ``poses``: centred rotation vectors, float64 (T, 3), in radians. ``weights``: of the
    exposed poses, float64 (t,); these are the first poses. ``focal``: the focal length in pixels. ``shape``: (H, W) of the
    photograph. ``aperture``: the kernel of the defocus, float32 (k, k), or ``None`` in focus."""

    poses: NDArray[np.float64]
    weights: NDArray[np.float64]
    focal: float
    shape: tuple[int, int]
    aperture: NDArray[np.float32] | None = None

    @functools.cached_property
    def reach(self) -> int:
        # The largest distance is at a corner of the lattice of nodes. Its last nodes lie beyond the photograph, but pixels are
        # blended from them too.
        bottom, right = (((side - 1) // SPACING + 1) * SPACING for side in self.shape)
        paths = self._exposed_paths([(x, y) for x in (0, right) for y in (0, bottom)])
        return math.ceil(float(np.abs(paths).max())) + (0 if self.aperture is None else len(self.aperture) // 2)

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        nodes = rotation_field(self.poses, self.weights, shape=self.shape, box=region, focal=self.focal)
        nodes = nodes if self.aperture is None else composed(nodes, self.aperture)
        kernel = nodes.at(crop.y + (crop.height - 1) / 2, crop.x + (crop.width - 1) / 2)
        return FieldBlur(Truth(kernel, np.empty((0, 2)), nodes=nodes, poses=self.poses))

    def paths(self, blur: Blur) -> NodePaths:
        """The exposed paths at the nodes of a blur, for objects that move relative to them."""
        return turning(blur.truth.field, self.poses, self.weights, shape=self.shape, focal=self.focal)

    def path_at(self, y: float, x: float) -> NDArray[np.float64]:
        """The exposed path of a pixel, float64 (t, 2)."""
        return self._exposed_paths([(x, y)])[0]

    def _exposed_paths(self, points: ArrayLike) -> NDArray[np.float64]:
        exposed = self.poses[: len(self.weights)]
        return -displacements(-exposed, points, focal=self.focal, center=principal_point(self.shape))


class FieldBlur(Blur):
    """Each pixel gathers its light by its own kernel from the field."""

    whole = False

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        return blur_field(image, self.truth.field, box, table=tone.table)


def draw_turn(
    rotation: Rotation, kernel: Kernel, shape: tuple[int, int], *, focal: float | None, rng: np.random.Generator
) -> Turn:
    """Draws a path of poses for a photograph of ``shape`` (H, W). ``focal``: the focal length in pixels. If it is ``None``, the
    focal length is drawn."""
    length, roll = (float(rng.uniform(*ends)) / 1000 for ends in (rotation.length, rotation.roll))
    anxiety = float(rng.choice(rotation.anxiety))
    rates = ShakeTerms.draw(rng=rng).rates(anxiety)
    rates["pull"] = rates["pull"] * PUBLISHED_LENGTH / length  # as strong over the whole path as in the published process
    times = float(rng.uniform(*rotation.focal))
    focal = times * max(shape) if focal is None else focal
    exposure = float(rng.choice(kernel.exposure))
    poses = camera_rotation(length=length, roll_length=roll, **rates, samples=rotation.samples, rng=rng)
    weights = exposure_weights(len(poses), exposure)
    drawn = {"exposure": exposure, "rotation_length": length, "roll_length": roll, "anxiety": anxiety, "focal": focal, **rates}
    return Turn(centered(poses, weights), weights, focal, shape, parameters=drawn)
