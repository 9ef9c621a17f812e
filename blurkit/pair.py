"""One photograph becomes one pair: the whole physics, in order.

    a path of the camera -> a kernel -> a crop with a halo of true pixels -> linear light -> highlights -> blur
    -> full well -> noise -> camera response -> 8 bits -> JPEG

Sharp and blurred share one exposure and one response; brightness is never normalised. The kernel's anchor, by default its
centroid, keeps the two registered to a few thousandths of a pixel.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import BadImageError, UsageError
from blurkit.fused import blur_codes, blur_region
from blurkit.recipe import Noise, Recipe
from blurkit.response import Response, load_response
from blurkit.sensor import LARGEST_JPEG_SIDE, add_noise, compress, highlight_table
from blurkit.shake import draw_shake
from blurkit.sharpness import laplacian_variance

#: A rectangle (y, x, height, width) in pixels.
Box = tuple[int, int, int, int]

#: Rows that are blurred and exposed at once: linear light takes four bytes a value, and memory is to follow the photograph.
BAND = 512

#: How often a place is drawn for a crop before the photograph is given up as blurred or empty.
PLACES = 10


@dataclass(frozen=True)
class Pair:
    """A sharp and a blurred image, uint8 (h, w, 3) RGB, and the truth about them.

    ``kernel``: float32 (k, k), k odd, sum 1, indexed by displacement: linear light of blurred = linear light of sharp * kernel.
    ``path``: float64 (T, 2), the camera's whole path, (x, y) in pixels from the kernel's centre. ``crop``: where the images lie
    in the photograph. ``valid``: the part of them, in their own coordinates, whose blur saw pixels of the photograph alone;
    outside it the photograph was reflected at its border. ``parameters``: what was drawn, by name.
    """

    sharp: NDArray[np.uint8]
    blurred: NDArray[np.uint8]
    kernel: NDArray[np.float32]
    path: NDArray[np.float64]
    crop: Box
    valid: Box
    parameters: dict[str, float]


def make_pair(
    image: NDArray[np.uint8],
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
    min_sharpness: float = 0.0,
) -> Pair:
    """Blur a photograph.

    ``image``: uint8 (H, W, 3) RGB of any size. ``size``: (h, w) of the crop, whose place is drawn; ``None`` keeps all of it.
    ``min_sharpness``: the least variance of the crop's Laplacian; a place that has less is drawn again, :data:`PLACES` times.
    Raises :class:`BadImageError`: ``too_small`` where the image is smaller than ``size``, ``not_sharp`` where no place will do.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UsageError(f"an image is uint8 (H, W, 3) RGB, got {image.dtype} {image.shape}")
    if recipe.jpeg and max(size or image.shape[:2]) > LARGEST_JPEG_SIDE:
        raise BadImageError("too_large", f"JPEG holds at most {LARGEST_JPEG_SIDE} pixels on a side; choose a --size")
    shake = draw_shake(recipe, rng=rng)
    reach = shake.kernel.shape[0] // 2
    crop = draw_sharp_crop(image, size, reach, min_sharpness, rng=rng)
    y, x, height, width = crop

    decode, encode = load_response(recipe.response.decode), load_response(recipe.response.encode)
    sharp = image[y : y + height, x : x + width]
    if recipe.response.encode != recipe.response.decode:
        sharp = encode.quantize(decode.decode(sharp))

    parameters = dict(shake.parameters)
    tone = dataclasses.replace(encode, table=decode.table)  # decodes by the one, encodes by the other
    if recipe.saturation:
        parameters["highlight"] = float(rng.uniform(*recipe.saturation.highlight))
        tone = dataclasses.replace(tone, table=highlight_table(decode, parameters["highlight"], recipe.saturation.threshold))
    if recipe.noise:
        parameters["shot"], parameters["read"] = draw_noise(recipe.noise, rng=rng)
    blurred = np.empty_like(sharp)
    for top in range(0, height, BAND):
        box = (y + top, x, min(BAND, height - top), width)
        blurred[top : top + BAND] = _photograph(image, shake.kernel, tone, box, parameters, rng)
    if recipe.jpeg and rng.random() < recipe.jpeg.share:
        low, high = recipe.jpeg.quality
        parameters["jpeg_quality"] = float(rng.integers(round(low), round(high), endpoint=True))
        blurred = compress(blurred, quality=int(parameters["jpeg_quality"]), subsampling=recipe.jpeg.subsampling)

    valid = valid_box(image.shape[:2], crop, reach)
    return Pair(np.ascontiguousarray(sharp), blurred, shake.kernel, shake.path, crop, valid, parameters)


def _photograph(
    image: NDArray[np.uint8],
    kernel: NDArray[np.float32],
    tone: Response,
    box: Box,
    parameters: dict[str, float],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """A band of the blurred photograph before compression: uint8 (h, w, 3)."""
    if "shot" not in parameters:
        return blur_codes(image, kernel, tone, box=box)
    light = blur_region(image, kernel, tone, box)
    np.minimum(light, np.float32(1), out=light)  # the full well
    return tone.quantize(add_noise(light, shot=parameters["shot"], read=parameters["read"], rng=rng))


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


def draw_noise(noise: Noise, *, rng: np.random.Generator) -> tuple[float, float]:
    """Shot gain and read deviation, in units of full well."""
    low, high = (math.log(end) for end in noise.shot)
    log_shot = rng.uniform(low, high)
    log_variance = rng.normal(noise.read_slope * log_shot + noise.read_offset, noise.read_scatter)
    return math.exp(log_shot), math.exp(log_variance / 2)
