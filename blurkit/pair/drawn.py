"""Draws what a recipe needs to blur one image: the motion with its kernels, and the exposure. Nothing here touches pixels.

Everything is drawn on the CPU, by the code of ``blurkit generate`` and in its order. So the kernel of a key is the same on every
device, and the same as in a dataset.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.kernels.trajectory import as_generator
from blurkit.pair.crop import draw_crop, valid_box
from blurkit.pair.degradation import Blur
from blurkit.pair.draw import draw_motion
from blurkit.pair.exposure import Exposure, developed_region, draw_exposure
from blurkit.pair.pair import image_recipe
from blurkit.pair.seeds import generator
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.scene import Scene

#: A whole number, or several: what the random stream of one image is made from.
Key = int | Sequence[int]


@dataclass(frozen=True, eq=False)
class Draw:
    """What was drawn for one image of ``shape`` (H, W). ``crop``: the part of the image that becomes the blurred image.
    ``reach``: the largest distance in pixels from which the blur takes light."""

    shape: tuple[int, int]
    crop: Box
    reach: int
    blur: Blur
    exposure: Exposure
    parameters: dict[str, float]
    _rng: np.random.Generator

    @property
    def valid(self) -> Box:
        """The part of the crop, in its own coordinates, where the blur reads no reflected pixel."""
        return valid_box(self.shape, self.crop, self.reach)

    @property
    def kernel(self) -> NDArray[np.float32]:
        """The kernel, float32 (k, k), k odd, sum 1, indexed by displacement. If the camera turns: that at the middle."""
        return self.blur.truth.kernel

    @property
    def field(self) -> KernelField:
        """The kernels at all pixels of the crop, in pixels of the image. For a uniform blur, they all equal :attr:`kernel`."""
        return self.blur.truth.field

    @property
    def region(self) -> Box:
        """The crop with the pixels around it that the interpolation of a Bayer mosaic reads."""
        return self.crop if self.exposure.camera is None else developed_region(self.crop, self.shape)

    def photograph(self, image: NDArray[np.uint8], *, once: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Blurs and exposes an image, uint8 (H, W, 3) RGB. Returns the crops of sharp and blurred, uint8 (h, w, 3). ``once``: use
        the draw up, which is faster."""
        blurred, _ = self.exposure.photograph(image, self.blur, self.crop, rng=self._rng if once else self.rest())
        return self.exposure.sharp(image[self.crop.slices]), blurred

    def rest(self) -> np.random.Generator:
        """A generator with the random numbers that follow: those of the noise and of JPEG. Each call returns an equal one."""
        return copy.deepcopy(self._rng)


def draw_blur(
    recipe: Recipe | Mixture | str, shape: tuple[int, int], *, key: Key, size: int | None = None, crop: Box | None = None
) -> Draw:
    """Draw the blur and the exposure of one image.

    ``recipe``: a recipe, a mixture, or the name or the file of a recipe. ``shape``: (H, W) of the image. ``key``: a seed, as
    :func:`blurkit.make_pair` takes it, or a sequence of whole numbers: the seed of a stored sample, ``pair.meta["seed"]``, or
    numbers of your own, such as (seed, epoch, position). ``size``: the side of a square crop, whose place is drawn; ``None``
    keeps the whole image. ``crop``: the crop itself.

    The result equals that of ``make_pair`` with the same key and size, for an image of which nothing else is known: without
    outlined objects and disparity, only the camera blurs. Raises :class:`blurkit.errors.UsageError` for a recipe of averaged
    frames or of real blurred photographs, and :class:`blurkit.errors.BadImageError` for an image smaller than ``size``.
    """
    rng = stream(key)
    part, chosen = image_recipe(recipe).choose(rng=rng)
    motion = draw_motion(part, shape, Scene(), rng=rng)
    crop = crop or draw_crop(shape, None if size is None else (size, size), motion.reach, rng=rng)
    blur = motion.over(crop, developed_region(crop, shape), rng=rng)
    exposure = draw_exposure(part, fraction=motion.exposure, rng=rng)
    return Draw(shape, crop, motion.reach, blur, exposure, {**chosen, **motion.parameters, **exposure.parameters}, rng)


def stream(key: Key) -> np.random.Generator:
    """The random stream of a key: that of a seed as in :func:`blurkit.make_pair`, or that of the words of a stored sample."""
    if isinstance(key, int | np.integer):
        return as_generator(int(key))
    return generator(tuple(int(word) for word in key))
