"""A module that blurs each image of a batch by a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from blurkit.errors import UsageError
from blurkit.kernels.stack import stacked
from blurkit.pair.drawn import Draw, Key, draw_blur
from blurkit.pair.pair import image_recipe
from blurkit.program.checks import require
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.torch.expose import expose
from blurkit.torch.field import Field

#: Images, and if asked for their kernels.
Blurred = Tensor | tuple[Tensor, Tensor | list[Field]]


class RandomBlur(torch.nn.Module):
    """Blurs and exposes each image of a batch by a recipe, with a blur of its own: :func:`blurkit.make_pair` as a module.

    ``recipe``: a recipe, a mixture, or the name or the file of a recipe; not one of averaged frames or of real blurred
    photographs. ``seed``: of the drawn blurs. ``generator``: a torch generator on the CPU that draws them, instead of a seed.
    With neither, torch's own generator draws them, so that ``torch.manual_seed`` and the workers of a ``DataLoader`` have their
    effect. ``quantize``: whether the images are rounded to codes and compressed as drawn; see :func:`blurkit.torch.expose`.

    The module has no parameters. Everything but noise on CUDA is drawn on the CPU, so that a seed gives the same kernels on
    every device.
    """

    def __init__(
        self,
        recipe: Recipe | Mixture | str,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        quantize: bool = True,
    ) -> None:
        super().__init__()
        require(seed is None or generator is None, "give a seed or a generator, not both")
        self.recipe, self.quantize = image_recipe(recipe), quantize
        if generator is not None and generator.device.type != "cpu":
            raise UsageError(f"kernels are drawn on the CPU: give a generator on the CPU, not on {generator.device}")
        self.generator = generator if seed is None else torch.Generator().manual_seed(seed)

    def forward(
        self,
        images: Tensor,
        *,
        keys: Sequence[Key] | None = None,
        kernels: Tensor | None = None,
        return_kernels: bool = False,
    ) -> Blurred:
        """Blur a batch.

        ``images``: RGB ``(B, 3, H, W)``, uint8 codes, or floating point in [0, 1]. ``keys``: what the random stream of each image
        is made from, as in :func:`blurkit.torch.draw_blur`: ``pair.meta["seed"]`` gives the kernel of a stored sample, and
        numbers such as (seed, epoch, position) a fresh blur for each visit that a resumed training draws again. By default the
        generator draws them. ``kernels``: ``(B, k, k)`` replace the drawn kernels, for gradients. ``return_kernels``: whether to
        return the kernels too.

        Returns images of the same shape and dtype. With ``return_kernels``, also the kernels on the same device: float32
        ``(B, k, k)``, k odd, sum 1, indexed by displacement, with zeros around the smaller ones; or, if the recipe turns the
        camera, a list with one :class:`blurkit.torch.Field` for each image.
        """
        draws = self.draw(images, keys)
        blurred = expose(images, draws, kernels=kernels, quantize=self.quantize)
        if not return_kernels:
            return blurred
        if any(part.rotation is not None for part in self.recipe.parts):
            fields = [Field.of(draw.field) for draw in draws]
            return blurred, [Field(field.y, field.x, field.kernels.to(images.device)) for field in fields]
        return blurred, kernels if kernels is not None else torch.from_numpy(stacked([d.kernel for d in draws])).to(images.device)

    def draw(self, images: Tensor, keys: Sequence[Key] | None = None) -> list[Draw]:
        """What :meth:`forward` draws for these images, without blurring them. Only the shape of the images is read."""
        if keys is None:
            keys = torch.randint(2**62, (len(images),), generator=self.generator).tolist()
        require(len(keys) == len(images), f"there are {len(keys)} keys for {len(images)} images")
        height, width = images.shape[-2:]
        return [draw_blur(self.recipe, (height, width), key=key) for key in keys]

    def extra_repr(self) -> str:
        return f"{self.recipe.name!r}, quantize={self.quantize}"
