"""Generators for deepinv: kernels for ``deepinv.physics.Blur``, and fields of kernels for ``deepinv.physics.SpaceVaryingBlur``.

deepinv convolves, and the centre of an odd kernel is its middle tap, as in blurkit, so nothing is flipped. Its physics blur
whatever they are given: give them linear light. blurkit's border is deepinv's ``padding="reflect"``.
"""

from __future__ import annotations

from typing import Any

import torch
from deepinv.physics.generator import PhysicsGenerator, PSFGenerator
from torch import Tensor

from blurkit.errors import UsageError
from blurkit.kernels.stack import stacked
from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.drawn import draw_blur, stream
from blurkit.pair.pair import image_recipe
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.torch.field import Field


class KernelGenerator(PSFGenerator):
    """Draws the kernels of a recipe, its name or its file: ``filter``, (B, 1, k, k), k odd, each with the sum 1.

    ``psf_size``: k, or ``None`` for the smallest that holds the batch. A kernel that is larger raises
    :class:`blurkit.errors.UsageError`, because a kernel is never cut off. ``kwargs``: deepinv's ``rng``, ``device``, ``dtype``.
    """

    def __init__(self, recipe: Recipe | Mixture | str = "clean", psf_size: int | None = None, **kwargs: Any) -> None:
        super().__init__(psf_size=psf_size, **kwargs)
        self.recipe, self.side = image_recipe(recipe), psf_size

    def step(self, batch_size: int = 1, seed: int | str | None = None, **_: Any) -> dict[str, Tensor]:
        self.rng_manual_seed(seed)
        kernels = [draw_kernel(self.recipe, rng=stream(key)) for key in _keys(self, batch_size)]
        return {"filter": torch.from_numpy(stacked(kernels, self.side)).unsqueeze(1).to(**self.factory_kwargs)}


class FieldGenerator(PhysicsGenerator):
    """Draws the fields of a recipe for images of ``img_size`` (H, W): ``filters``, (B, 1, K, k, k), and ``multipliers``,
    (B, 1, K, H, W), for ``SpaceVaryingBlur(mask_first=False, padding="reflect")``: each pixel gathers its light."""

    def __init__(self, recipe: Recipe | Mixture | str = "rotation", *, img_size: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recipe, self.img_size = image_recipe(recipe), img_size
        if any(part.rotation is None for part in self.recipe.parts):
            raise UsageError(f"recipe {self.recipe.name!r} has one kernel for all pixels: use KernelGenerator")

    def step(self, batch_size: int = 1, seed: int | str | None = None, **_: Any) -> dict[str, Tensor]:
        self.rng_manual_seed(seed)
        fields = [draw_blur(self.recipe, self.img_size, key=key).field for key in _keys(self, batch_size)]
        nodes = stacked([kernel for field in fields for row in field.kernels for kernel in row])
        filters = torch.from_numpy(nodes).unflatten(0, (batch_size, 1, -1))
        multipliers = torch.stack([Field.of(field).multipliers(self.img_size)[None] for field in fields])
        return {"filters": filters.to(**self.factory_kwargs), "multipliers": multipliers.to(**self.factory_kwargs)}


def _keys(generator: PhysicsGenerator, count: int) -> list[int]:
    keys: list[int] = torch.randint(2**62, (count,), generator=generator.rng, device=generator.rng.device).tolist()
    return keys
