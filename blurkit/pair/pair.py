"""One photograph becomes one pair: the whole physics, in order.

    a path or a rotation of the camera -> a kernel, or a field of them (motion) -> a crop with a halo of true pixels
    -> linear light -> gain, highlights -> blur -> full well -> noise, mosaic -> camera response -> 8 bits -> JPEG (exposure)

Sharp and blurred share one exposure and one response; brightness is never normalised. The kernel's anchor, by default its
centroid, keeps the two registered to a few thousandths of a pixel; a rotation is centred as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.codes import blur_codes
from blurkit.camera.bayer import REACH
from blurkit.camera.sensor import LARGEST_JPEG_SIDE
from blurkit.errors import BadImageError, UsageError
from blurkit.pair.crop import draw_sharp_crop, valid_box
from blurkit.pair.draw import draw_motion
from blurkit.pair.exposure import draw_exposure
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import Moves
from blurkit.truth.scene import Scene

_NOTHING_KNOWN = Scene()


@dataclass(frozen=True)
class Pair:
    """A sharp and a blurred image, uint8 (h, w, 3) RGB, and the truth about them.

    ``kernel``: float32 (k, k), k odd, sum 1, indexed by displacement: linear light of blurred = linear light of sharp * kernel;
    where the blur varies over the frame, that of the crop's middle; (0, 0) of averaged frames, which hide theirs. ``path``:
    float64 (T, 2), the camera's whole path, (x, y) in pixels from the kernel's centre. ``crop``: where the images lie in the
    photograph. ``valid``: the part of them, in their own coordinates, whose blur saw pixels of the photograph alone; outside it
    the photograph was reflected at its border.
    ``parameters``: what was drawn, by name. ``nodes``: the field of kernels in the crop's coordinates, of a rotation; ``poses``:
    float64 (T, 3), its rotation vectors in radians. ``saturation``: bool (h, w), where the blurred light reached full well, of a
    recipe that draws highlights. ``objects``: those in the crop, of a recipe that moves them, and ``moves``: which did, and how.
    ``radius``: float32 (h, w), the signed radius of defocus in pixels, where that follows depth.
    """

    sharp: NDArray[np.uint8]
    blurred: NDArray[np.uint8]
    kernel: NDArray[np.float32]
    path: NDArray[np.float64]
    crop: Box
    valid: Box
    parameters: dict[str, float]
    nodes: KernelField | None
    poses: NDArray[np.float64]
    saturation: NDArray[np.bool_] | None
    objects: Masks | None
    moves: Moves
    radius: NDArray[np.float32] | None


def make_pair(
    image: NDArray[np.uint8],
    recipe: Recipe | Mixture,
    *,
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
    min_sharpness: float = 0.0,
    scene: Scene = _NOTHING_KNOWN,
) -> Pair:
    """Blur a photograph.

    ``image``: uint8 (H, W, 3) RGB of any size. ``size``: (h, w) of the crop, whose place is drawn; ``None`` keeps all of it.
    ``min_sharpness``: the least variance of the crop's Laplacian; a place that has less is drawn again, :data:`PLACES` times.
    ``scene``: what is known about the photograph. Where it does not have the objects or the depth that a recipe asks for, the
    blur is that of the camera alone.

    Raises :class:`BadImageError`: ``too_small`` where the image is smaller than ``size``, ``not_sharp`` where no place will do,
    ``too_few_frames`` where a recipe averages more than there are around it.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UsageError(f"an image is uint8 (H, W, 3) RGB, got {image.dtype} {image.shape}")
    recipe, chosen = recipe.choose(rng=rng)
    if recipe.jpeg and max(size or image.shape[:2]) > LARGEST_JPEG_SIDE:
        raise BadImageError("too_large", f"JPEG holds at most {LARGEST_JPEG_SIDE} pixels on a side; choose a --size")
    motion = draw_motion(recipe, (image.shape[0], image.shape[1]), scene, rng=rng)
    crop = draw_sharp_crop(image, size, motion.reach, min_sharpness, rng=rng)
    y, x, height, width = crop
    region = _grown(crop, image.shape)
    blur = motion.over(crop, region, rng=rng)
    exposure = draw_exposure(recipe, fraction=motion.exposure, rng=rng)

    sharp = exposure.sharp(image[y : y + height, x : x + width])
    if exposure.is_plain and blur.uniform:
        blurred, saturation = blur_codes(image, blur.kernel, exposure.tone, box=crop), None
    else:
        blurred, saturation = exposure.take(blur.light(image, exposure.tone, region), crop, image.shape, rng=rng)
    blurred = exposure.compressed(blurred, rng=rng)

    parameters = {**chosen, **motion.parameters, **exposure.parameters}
    valid = valid_box(image.shape[:2], crop, motion.reach)
    nodes = blur.nodes.shifted(y, x) if blur.nodes else None
    truth = nodes, blur.poses, saturation, blur.objects, blur.moves, blur.radius
    return Pair(np.ascontiguousarray(sharp), blurred, blur.kernel, blur.path, crop, valid, parameters, *truth)


def _grown(crop: Box, shape: tuple[int, ...]) -> Box:
    """A crop with the pixels around it that the interpolation of a mosaic looks at."""
    top, left = max(crop[0] - REACH, 0), max(crop[1] - REACH, 0)
    bottom, right = min(crop[0] + crop[2] + REACH, shape[0]), min(crop[1] + crop[3] + REACH, shape[1])
    return top, left, bottom - top, right - left
