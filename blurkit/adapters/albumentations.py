"""An Albumentations transform. Masks, boxes and keypoints stay as they are, because the blur does not shift the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from albumentations import ImageOnlyTransform
from numpy.typing import NDArray

from blurkit.pair.pair import image_recipe, make_pair
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe


class RandomBlur(ImageOnlyTransform):
    """:func:`blurkit.make_pair` of the whole image, by a recipe, its name or its file.

    Images are RGB (H, W, 3), uint8, or float32 in [0, 1], which is rounded to codes. ``key``, the seed of the pair, is drawn from
    Albumentations' generator: ``make_pair(image, recipe, rng=key)`` gives the same pixels and the kernel.
    """

    def __init__(self, recipe: Recipe | Mixture | str = "handheld", p: float = 0.5) -> None:
        super().__init__(p=p)
        self.recipe, self._checked = recipe, image_recipe(recipe)

    def get_params(self) -> dict[str, Any]:
        return {"key": int(self.random_generator.integers(2**62))}

    def apply(self, img: NDArray[Any], key: int, **_: Any) -> NDArray[Any]:
        if img.dtype != np.float32:
            return make_pair(img, self._checked, rng=key).blurred
        codes = np.rint(img.clip(0, 1) * 255).astype(np.uint8)
        return make_pair(codes, self._checked, rng=key).blurred / np.float32(255)
