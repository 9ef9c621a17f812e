"""A Kornia augmentation: :class:`blurkit.torch.RandomBlur` with Kornia's probabilities, parameters and containers."""

from __future__ import annotations

from typing import Any

import torch
from kornia.augmentation import IntensityAugmentationBase2D
from torch import Tensor

from blurkit.pair.drawn import draw_blur
from blurkit.pair.pair import image_recipe
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.torch.expose import expose


class RandomBlur(IntensityAugmentationBase2D):
    """Blurs and exposes images by a recipe, its name or its file. Masks, boxes and keypoints stay as they are.

    Images are RGB (B, 3, H, W), floating point in [0, 1]. ``params["keys"]``, int64 (B,), are the seeds of the blurs, drawn by
    torch's generator: ``blurkit.torch.draw_blur(recipe, (H, W), key=key).kernel`` is the kernel of an image. ``quantize``: as in
    :func:`blurkit.torch.expose`. The other arguments are Kornia's.
    """

    def __init__(
        self,
        recipe: Recipe | Mixture | str = "handheld",
        *,
        quantize: bool = True,
        p: float = 0.5,
        same_on_batch: bool = False,
        keepdim: bool = False,
    ) -> None:
        super().__init__(p=p, same_on_batch=same_on_batch, keepdim=keepdim)
        self.recipe, self.quantize = image_recipe(recipe), quantize

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        count = batch_shape[0]
        return {"keys": torch.randint(2**62, (1,)).expand(count) if self.same_on_batch else torch.randint(2**62, (count,))}

    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        height, width = input.shape[-2:]
        draws = [draw_blur(self.recipe, (height, width), key=key) for key in params["keys"].tolist()]
        return expose(input, draws, quantize=self.quantize)
