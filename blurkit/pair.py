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
from blurkit.exposure import draw_exposure
from blurkit.motion import draw_motion
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.sharpness import laplacian_variance
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import Moves
from blurkit.truth.scene import Scene

#: How often a place is drawn for a crop before the photograph is given up as blurred or empty.
PLACES = 10

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


def draw_sharp_crop(
    image: NDArray[np.uint8], size: tuple[int, int] | None, reach: int, least: float, *, rng: np.random.Generator
) -> Box:
    """A crop as :func:`draw_crop` draws it, the first one whose variance of the Laplacian is at least ``least``."""
    found = 0.0
    for _ in range(PLACES if size else 1):
        y, x, height, width = crop = draw_crop(image.shape[:2], size, reach, rng=rng)
        if least == 0:
            return crop
        sharpness = laplacian_variance(image[y : y + height, x : x + width])
        if sharpness >= least:
            return crop
        found = max(found, sharpness)
    places = f"the sharpest of {PLACES} places drawn" if size else "the photograph"
    raise BadImageError("not_sharp", f"{places} has a variance of the Laplacian of {found:.1f}, below {least:g}")


def draw_crop(shape: tuple[int, ...], size: tuple[int, int] | None, reach: int, *, rng: np.random.Generator) -> Box:
    """A crop of ``size`` in an image of ``shape``; along each axis its halo of ``reach`` pixels lies inside where that fits."""
    if size is None:
        return (0, 0, shape[0], shape[1])
    if shape[0] < size[0] or shape[1] < size[1]:
        raise BadImageError("too_small", f"{shape[1]}x{shape[0]} pixels, smaller than the asked {size[1]}x{size[0]}")
    starts = []
    for full, side in zip(shape, size, strict=True):
        margin = reach if full >= side + 2 * reach else 0
        starts.append(int(rng.integers(margin, full - side - margin, endpoint=True)))
    return (starts[0], starts[1], *size)


def valid_box(shape: tuple[int, ...], crop: Box, reach: int) -> Box:
    """The part of a crop, in its own coordinates, that lies at least ``reach`` pixels inside the image, possibly none."""
    starts, sides = [], []
    for full, start, side in zip(shape, crop[:2], crop[2:], strict=True):
        low = min(max(reach - start, 0), side)
        high = max(min(full - reach - start, side), low)
        starts.append(low)
        sides.append(high - low)
    return (starts[0], starts[1], sides[0], sides[1])
