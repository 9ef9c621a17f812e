"""One draw of camera shake: the path and the kernel of a sample, by a recipe."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.bank import KernelBank, center
from blurkit.kernel import exposed_path, rasterize_anchored
from blurkit.recipe import Recipe, Trajectory
from blurkit.trajectory import PUBLISHED_SAMPLES, ShakeTerms, boracchi_foi, camera_shake


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
    still = rng.random() < trajectory.near_identity
    length = float(rng.uniform(*(trajectory.near_identity_length if still else trajectory.length)))
    anxiety = float(rng.choice(trajectory.anxiety))
    terms = ShakeTerms.draw(rng=rng)
    if trajectory.process == "boracchi-foi":
        samples = trajectory.samples or PUBLISHED_SAMPLES
        path = boracchi_foi(length=length, anxiety=anxiety, samples=samples, rng=rng, terms=terms)
        drawn = {"gaussian": terms.gaussian, "centripetal": terms.centripetal, "big_shakes": terms.big_shakes}
    else:
        drawn = terms.rates(anxiety)
        path = camera_shake(length=length, **drawn, samples=trajectory.samples or None, rng=rng)
    return path, {"length": length, "anxiety": anxiety, **drawn}


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


def truth_bytes(recipe: Recipe, draws: int = 24) -> int:
    """About how many bytes a path and a kernel take as they are stored; it also shows that the recipe can be drawn from."""
    rng = np.random.default_rng(0)
    drawn = [draw_shake(recipe, rng=rng) for _ in range(draws)]
    largest = max(len(shake.kernel) for shake in drawn)  # a shard pads its kernels to one size
    return 4 * largest**2 + sum(8 * len(shake.path) for shake in drawn) // draws
