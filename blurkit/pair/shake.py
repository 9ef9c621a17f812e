"""One draw of camera shake: the path and the kernel of a sample, by a recipe."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.kernels.bank import KernelBank, center
from blurkit.kernels.rasterization import exposed_path, rasterize_anchored
from blurkit.kernels.trajectory import PUBLISHED_SAMPLES, ShakeTerms, boracchi_foi, camera_shake, sample_count
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Trajectory

#: The larger side of the widest kernels, in lengths of the longest path.
_EXTENT = 0.75


@dataclass(frozen=True)
class Shake:
    """``kernel``: float32 (k, k), k odd, sum 1. ``path``: float64 (T, 2), (x, y) in pixels from the kernel's centre, whole; no
    rows for a kernel from a bank. ``parameters``: what was drawn, by name."""

    kernel: NDArray[np.float32]
    path: NDArray[np.float64]
    parameters: dict[str, float]


def draw_shake(recipe: Recipe, *, rng: np.random.Generator) -> Shake:
    """The shake of one sample."""
    if recipe.trajectory is None:
        return _from_bank(recipe.check(), rng)
    path, parameters = _draw_path(recipe.trajectory, rng)
    exposure = float(rng.choice(recipe.kernel.exposure))
    path = exposed_path(path, exposure=exposure, anchor=recipe.kernel.anchor)
    return Shake(rasterize_anchored(path, exposure=exposure), path, {"exposure": exposure, **parameters})


def _draw_path(trajectory: Trajectory, rng: np.random.Generator) -> tuple[NDArray[np.float64], dict[str, float]]:
    walk, terms = _draw_walk(trajectory, rng)
    samples = _samples(trajectory, walk, terms)
    if trajectory.process == "boracchi-foi":
        drawn = {"gaussian": terms.gaussian, "centripetal": terms.centripetal, "big_shakes": terms.big_shakes}
        return boracchi_foi(**walk, samples=samples, rng=rng, terms=terms), {**walk, **drawn}
    rates = terms.rates(walk["anxiety"])
    return camera_shake(length=walk["length"], **rates, samples=samples, rng=rng), {**walk, **rates}


def _draw_walk(trajectory: Trajectory, rng: np.random.Generator) -> tuple[dict[str, float], ShakeTerms]:
    """``length`` and ``anxiety`` of a path, and its terms."""
    still = rng.random() < trajectory.near_identity
    length = float(rng.uniform(*(trajectory.near_identity_length if still else trajectory.length)))
    anxiety = float(rng.choice(trajectory.anxiety))
    scale = float(rng.choice(trajectory.scale)) if trajectory.scale != (1.0,) else 1.0
    return {"length": length * scale, "anxiety": anxiety / scale}, ShakeTerms.draw(rng=rng)


def _samples(trajectory: Trajectory, walk: dict[str, float], terms: ShakeTerms) -> int:
    if trajectory.samples:
        return trajectory.samples
    if trajectory.process == "boracchi-foi":
        return PUBLISHED_SAMPLES
    return sample_count(length=walk["length"], **terms.rates(walk["anxiety"]))


def _from_bank(recipe: Recipe, rng: np.random.Generator) -> Shake:
    bank = load_bank(recipe.kernels)
    index = int(rng.integers(len(bank)))
    kernel = bank[index]
    if recipe.kernel.anchor == "centroid":
        kernel = center(kernel)
    elif kernel.shape[0] != kernel.shape[1]:
        kernel = _square(kernel)
    return Shake(kernel, np.empty((0, 2)), {"bank_index": float(index)})


def _square(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    side = max(kernel.shape)
    return np.pad(kernel, [((side - n) // 2, (side - n) // 2) for n in kernel.shape])


@functools.lru_cache(maxsize=2)
def load_bank(path: str) -> KernelBank:
    """A bank of kernels, kept in memory."""
    return KernelBank.load(path)


def shake_bytes(recipe: Recipe, *, extra: float = 0.0, draws: int = 24) -> int:
    """About how many bytes a path and a kernel take as they are stored, the kernel ``extra`` pixels larger than its path.

    Nothing is walked or rasterised for it: compiled code takes more memory than the plan of a million photographs.
    """
    rng = np.random.default_rng(0)
    if recipe.trajectory is None:
        bank = load_bank(recipe.check().kernels)
        return 4 * max(max(bank[int(rng.integers(len(bank)))].shape) for _ in range(draws)) ** 2
    walks = [_draw_walk(recipe.trajectory, rng) for _ in range(draws)]
    largest = extra + _EXTENT * max(walk["length"] for walk, _ in walks)  # a shard pads its kernels to one size
    return round(4 * largest**2 + sum(8 * _samples(recipe.trajectory, walk, terms) for walk, terms in walks) / draws)
