"""Draws the camera shake of one sample: a path of the image, and the kernel of this path for the whole frame."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.codes import blur_region
from blurkit.blurring.layers.paths import UniformPath
from blurkit.camera.response import Response
from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank, center
from blurkit.kernels.rasterization import exposed_path, exposure_weights, rasterize_anchored
from blurkit.kernels.trajectory import PUBLISHED_SAMPLES, ShakeTerms, as_generator, boracchi_foi, camera_shake, sample_count
from blurkit.pair.degradation import Blur, Motion
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Trajectory
from blurkit.truth.box import Box
from blurkit.truth.truth import Truth

#: The larger side of the widest kernels, as a fraction of the length of the longest path.
_EXTENT = 0.75


@dataclass(frozen=True, eq=False)
class Shake(Motion):
    """The path of a camera and its kernel. ``kernel``: float32 (k, k), k odd, sum 1. ``path``: the whole path, float64 (T, 2),
    (x, y) in pixels from the kernel's centre. For a kernel from a bank, the path has no rows and the exposure is 1."""

    kernel: NDArray[np.float32]
    path: NDArray[np.float64]

    @property
    def reach(self) -> int:
        return self.kernel.shape[0] // 2

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights of the exposed instants, float64 (t,). These are the first instants of the path."""
        return exposure_weights(len(self.path), self.exposure)

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        return UniformBlur(Truth(self.kernel, self.path))

    def paths(self, blur: Blur) -> UniformPath:
        """The exposed path of a blur, for objects that move relative to it."""
        return UniformPath(self.path_at(0, 0), self.weights)

    def path_at(self, y: float, x: float) -> NDArray[np.float64]:
        """The exposed path of a pixel, float64 (t, 2)."""
        return self.path[: len(self.weights)]


class UniformBlur(Blur):
    """A convolution with one kernel."""

    uniform = True
    whole = False

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        return blur_region(image, self.truth.kernel, tone, box)


def draw_shake(recipe: Recipe | Mixture, *, rng: np.random.Generator | int | None = None) -> Shake:
    """Draws the shake of one sample.

    ``rng``: a generator or a seed. Without it, NumPy draws fresh entropy. Raises :class:`UsageError` if the blur of the recipe
    is not made by one path of the image.
    """
    rng = as_generator(rng)
    recipe, _ = recipe.choose(rng=rng)
    if recipe.rotation is not None or recipe.frames is not None:
        reason = "turns the camera, so every pixel has a kernel of its own" if recipe.rotation else "averages frames"
        raise UsageError(f"recipe {recipe.name!r} {reason}: there is no single shake to draw; call make_pair with a photograph")
    if recipe.trajectory is None:
        return _from_bank(recipe.check(), rng)
    path, parameters = _draw_path(recipe.trajectory, rng)
    exposure = float(rng.choice(recipe.kernel.exposure))
    path = exposed_path(path, exposure=exposure, anchor=recipe.kernel.anchor)
    return Shake(rasterize_anchored(path, exposure=exposure), path, parameters={"exposure": exposure, **parameters})


def _draw_path(trajectory: Trajectory, rng: np.random.Generator) -> tuple[NDArray[np.float64], dict[str, float]]:
    walk, terms = _draw_walk(trajectory, rng)
    if trajectory.process == "boracchi-foi":
        drawn = {"gaussian": terms.gaussian, "centripetal": terms.centripetal, "big_shakes": terms.big_shakes}
        return boracchi_foi(**walk, samples=trajectory.samples or PUBLISHED_SAMPLES, rng=rng, terms=terms), {**walk, **drawn}
    rates = terms.rates(walk["anxiety"])
    return camera_shake(length=walk["length"], **rates, samples=trajectory.samples or None, rng=rng), {**walk, **rates}


def _draw_walk(trajectory: Trajectory, rng: np.random.Generator) -> tuple[dict[str, float], ShakeTerms]:
    """Draws ``length`` and ``anxiety`` of a path, and its random terms."""
    still = rng.random() < trajectory.near_identity
    length = float(rng.uniform(*(trajectory.near_identity_length if still else trajectory.length)))
    anxiety = float(rng.choice(trajectory.anxiety))
    scale = float(rng.choice(trajectory.scale)) if trajectory.scale != (1.0,) else 1.0
    return {"length": length * scale, "anxiety": anxiety / scale}, ShakeTerms.draw(rng=rng)


def _samples(trajectory: Trajectory, walk: dict[str, float], terms: ShakeTerms) -> int:
    if trajectory.samples or trajectory.process == "boracchi-foi":
        return trajectory.samples or PUBLISHED_SAMPLES
    return sample_count(length=walk["length"], **terms.rates(walk["anxiety"]))


def _from_bank(recipe: Recipe, rng: np.random.Generator) -> Shake:
    bank = load_bank(recipe.kernels)
    index = int(rng.integers(len(bank)))
    kernel = bank[index]
    if recipe.kernel.anchor == "centroid":
        kernel = center(kernel)
    else:
        kernel = np.pad(kernel, [((max(kernel.shape) - side) // 2,) * 2 for side in kernel.shape])  # shards hold square kernels
    return Shake(kernel, np.empty((0, 2)), parameters={"bank_index": float(index)})


@functools.lru_cache(maxsize=2)
def load_bank(path: str) -> KernelBank:
    """Loads a bank of kernels, and keeps it in memory."""
    return KernelBank.load(path)


def shake_bytes(recipe: Recipe, *, extra: float = 0.0, draws: int = 24) -> int:
    """The approximate size of a path and a kernel in a shard, in bytes. The kernel is ``extra`` pixels larger than its path. This
    computes no path and no kernel: compiled code takes more memory than the plan of a million photographs."""
    rng = np.random.default_rng(0)
    if recipe.trajectory is None:
        bank = load_bank(recipe.check().kernels)
        return 4 * max(max(bank[int(rng.integers(len(bank)))].shape) for _ in range(draws)) ** 2
    walks = [_draw_walk(recipe.trajectory, rng) for _ in range(draws)]
    largest = extra + _EXTENT * max(walk["length"] for walk, _ in walks)  # a shard pads its kernels to the same size
    return round(4 * largest**2 + sum(8 * _samples(recipe.trajectory, walk, terms) for walk, terms in walks) / draws)
