"""Makes one pair from one photograph. :func:`make_pair` runs the whole physics in order.

    a path or a rotation of the camera -> a kernel, or a field of them (draw) -> a crop with a halo of true pixels (crop)
    -> linear light -> gain, highlights -> blur (degradation) -> full well -> noise, mosaic -> camera response -> 8 bits
    -> JPEG (exposure)

The sharp and the blurred image share one exposure and one response. Brightness is never normalised. The anchor of the kernel, by
default its centroid, keeps both images registered to a few thousandths of a pixel. A rotation is centred as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.sensor import LARGEST_JPEG_SIDE
from blurkit.errors import BadImageError, UsageError
from blurkit.kernels.trajectory import as_generator
from blurkit.pair.crop import draw_sharp_crop, valid_box
from blurkit.pair.draw import draw_motion
from blurkit.pair.exposure import developed_region, draw_exposure, draw_scene
from blurkit.pair.real import RealCrops, real_crops
from blurkit.program.checks import one_of
from blurkit.recipes.load import load_recipe
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.shard.format import STORES
from blurkit.truth.box import Box
from blurkit.truth.scene import Scene
from blurkit.truth.truth import Images, Truth

_NOTHING_KNOWN = Scene()


@dataclass(frozen=True, eq=False, repr=False)
class Pair(Truth, Images):
    """A sharp and a blurred image, uint8 (h, w, 3) RGB, and the truth about the blur, in coordinates of the images. ``crop``: the
    place of the images in the photograph. ``valid``: the part of the images, in their own coordinates, where the blur used only
    pixels of the photograph. Outside of it, the photograph was reflected at its border. ``parameters``: the drawn numbers, by
    name. ``objects``: only if the recipe moves objects. ``saturation``: only if the recipe draws highlights."""

    crop: Box
    valid: Box
    parameters: dict[str, float]

    def __repr__(self) -> str:
        lengths = {name: len(part) if hasattr(part, "__len__") else int(part is not None) for name, part in self.parts().items()}
        known = [name for name, length in lengths.items() if length > 0]
        words = [f"{self.crop.height}x{self.crop.width} pixels", *known, f"{len(self.parameters)} parameters"]
        return f"Pair({', '.join(words)})"


def make_pair(
    image: NDArray[np.uint8],
    recipe: Recipe | Mixture | str,
    *,
    rng: np.random.Generator | int,
    size: tuple[int, int] | int | None = None,
    min_sharpness: float = 0.0,
    scene: Scene = _NOTHING_KNOWN,
    store: str = "pairs",
) -> Pair:
    """Blurs a photograph and returns the pair.

    ``image``: the photograph, uint8 (H, W, 3) RGB, of any size. ``recipe``: what is drawn: a recipe, a mixture, or the name or
    the file of a recipe. ``rng``: a generator, or a seed. ``size``: (h, w) of the crop, or the side of a square. The place of the
    crop is drawn. ``None`` keeps the whole photograph. ``min_sharpness``: the least variance of the crop's Laplacian. If a place
    has less, another place is drawn, up to ten places. ``scene``: what is known about the photograph. If the recipe asks for
    objects or depth and the scene does not have them, only the camera blurs. ``store``: with "light", blurred is the light before
    the sensor, linear, float16 (h, w, 3), and no sensor is drawn; with "sharp", nothing is drawn but the place of the crop, and
    blurred is empty. :class:`blurkit.Redrawn` draws what is missing.

    Raises :class:`UsageError` for arguments of other kinds. Raises :class:`BadImageError` with the reason ``too_small`` if the
    image is smaller than ``size`` (a UsageError too), ``too_large`` if the pair is too large for JPEG, ``not_sharp`` if no place
    is sharp enough, and ``too_few_frames`` if the recipe averages more frames than there are around the image.
    """
    size, rng = _checked_size(image, size), as_generator(rng)
    one_of("store", store, list(STORES))
    if store == "sharp":
        crop = draw_sharp_crop(image, size, 0, min_sharpness, rng=rng)
        nothing = np.empty((0, 0, 3), np.uint8)
        return _without_truth(RealCrops(np.ascontiguousarray(image[crop.slices]), nothing, crop, Box(0, 0, *crop[2:]), {}))
    recipe, chosen = checked_recipe(recipe).choose(rng=rng)
    if recipe.real is not None:
        real = real_crops(image, scene, recipe, size, min_sharpness, rng=rng)
        return _without_truth(real._replace(parameters={**chosen, **real.parameters}))
    if recipe.jpeg and max(size or image.shape[:2]) > LARGEST_JPEG_SIDE:
        raise BadImageError("too_large", f"JPEG holds at most {LARGEST_JPEG_SIDE} pixels on a side; choose a --size")
    motion = draw_motion(recipe, (image.shape[0], image.shape[1]), scene, rng=rng)
    crop = draw_sharp_crop(image, size, motion.reach, min_sharpness, rng=rng)
    blur = motion.over(crop, developed_region(crop, image.shape), rng=rng)
    taken: NDArray[Any]
    if store == "light":
        exposure = draw_scene(recipe, rng=rng)
        taken, saturation = exposure.light(image, blur, crop)
    else:
        exposure = draw_exposure(recipe, fraction=motion.exposure, rng=rng)
        taken, saturation = exposure.photograph(image, blur, crop, rng=rng)
    sharp = exposure.sharp(image[crop.slices])

    nodes = blur.truth.nodes and blur.truth.nodes.shifted(crop.y, crop.x)
    return Pair(
        np.ascontiguousarray(sharp),
        taken,
        **replace(blur.truth, nodes=nodes, saturation=saturation).parts(),
        crop=crop,
        valid=valid_box(image.shape[:2], crop, motion.reach),
        parameters={**chosen, **motion.parameters, **exposure.parameters},
    )


def _without_truth(crops: RealCrops) -> Pair:
    return Pair(**Truth.unknown().parts(), **crops._asdict())


def _checked_size(image: NDArray[np.uint8], size: tuple[int, int] | int | None) -> tuple[int, int] | None:
    """Checks the image and the size. Returns the size of the crop as (h, w)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise UsageError(f"an image is a NumPy array, uint8 (H, W, 3) RGB, got {given}")
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side is not True and side >= 1 for side in sides):
        raise UsageError(f"size is (height, width) in pixels, the side of a square, or None for the whole image; got {size!r}")
    return int(sides[0]), int(sides[1])


def checked_recipe(recipe: Recipe | Mixture | str) -> Recipe | Mixture:
    """The recipe, loaded if its name or its file is given. Raises :class:`UsageError` for anything else."""
    if isinstance(recipe, str):
        return load_recipe(recipe)
    if not isinstance(recipe, Recipe | Mixture):
        raise UsageError(f"recipe takes a result of load_recipe, or the name or file of a recipe; got {type(recipe).__name__}")
    return recipe


def image_recipe(recipe: Recipe | Mixture | str) -> Recipe | Mixture:
    """:func:`checked_recipe` for single images: raises :class:`UsageError` also for a recipe that needs the frames of a video or
    real blurred photographs."""
    recipe = checked_recipe(recipe)
    for part in recipe.parts:
        if part.frames is not None or part.real is not None:
            needs = "averages the frames of a video" if part.frames else "takes real blurred photographs"
            raise UsageError(f"recipe {part.name!r} {needs}, and here are single images; choose another recipe")
    return recipe
