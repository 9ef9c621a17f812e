"""A record becomes samples: decode, draw, blur, and say where it came from."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.downscaling import downscale, downscale_disparity, downscale_mask
from blurkit.camera.response import load_response
from blurkit.decode.disparity import read_disparity
from blurkit.errors import BadImageError
from blurkit.pair.pair import make_pair
from blurkit.pipeline.seeds import generator, seed_words
from blurkit.pipeline.settings import Settings
from blurkit.shard.format import Sample
from blurkit.sources.record import Clip, ImageRecord
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks
from blurkit.truth.scene import Frames, Scene

#: Of a frame of 35 mm film, in millimetres, by whose diagonal focal lengths are compared.
DIAGONAL_35MM = math.hypot(36, 24)


@dataclass(frozen=True, eq=False)
class Photograph:
    """A record with its pixels, uint8 (H, W, 3), made smaller where the settings ask for it, and what else is known of it.
    ``notes``: what decoding changed, and what of the recipe cannot be done."""

    record: ImageRecord
    pixels: NDArray[np.uint8]
    sha256: str
    notes: str
    scene: Scene


def load_photograph(record: ImageRecord, settings: Settings) -> Photograph:
    """Decode a photograph. Raises :class:`blurkit.errors.BadImageError` where it cannot be used."""
    decoded = record.read()
    pixels, notes, recipe = decoded.pixels, decoded.notes, settings.recipe
    if settings.downscale > min(pixels.shape[:2]):
        raise BadImageError(
            "too_small", f"{pixels.shape[1]}x{pixels.shape[0]} pixels cannot be downscaled by {settings.downscale}"
        )
    disparity = None
    if record.disparity and any(part.defocus is not None and part.defocus.depth for part in recipe.parts):
        disparity = downscale_disparity(read_disparity(record.disparity, pixels.shape[:2]), settings.downscale)
        if not np.isfinite(disparity).any():  # what is known lay in the rows and columns that are cut off
            raise BadImageError("bad_disparity", f"The disparity map, downscaled by {settings.downscale}, has no finite value.")
    pixels = _smaller(pixels, settings)
    if settings.downscale > 1:
        notes = (*notes, f"downscaled by {settings.downscale}")
    if record.annotation is None and all(part.objects for part in recipe.parts):
        notes = (*notes, "no object is outlined, the camera alone moves")
    scene = Scene(
        focal=decoded.focal_35mm * math.hypot(*pixels.shape[:2]) / DIAGONAL_35MM if decoded.focal_35mm else None,
        masks=None if record.annotation is None else functools.partial(_masks, record, settings.downscale),
        disparity=disparity,
        frames=None if record.clip is None else _frames(record.clip, record.frame, settings),
    )
    return Photograph(record, pixels, decoded.sha256, "; ".join(notes), scene)


def make_sample(photograph: Photograph, settings: Settings, variant: int) -> Sample:
    """One variant of a photograph: it depends on (seed, source, image id, variant), the settings and the photograph alone.

    Raises :class:`blurkit.errors.BadImageError` where the photograph or its annotation cannot be used.
    """
    record = photograph.record
    words = seed_words(settings.seed, record.source, record.id, variant)
    pair = make_pair(
        photograph.pixels,
        settings.recipe,
        rng=generator(words),
        size=settings.size,
        min_sharpness=settings.min_sharpness,
        scene=photograph.scene,
    )
    meta = {
        "source": record.source,
        "licence": record.licence,
        "source_sha256": photograph.sha256,
        "notes": photograph.notes,
        "variant": variant,
        "crop": pair.crop,
        "valid": pair.valid,
        "seed": words,
        **pair.parameters,
    }
    stored = pair.parts() | {"path": pair.path.astype(np.float32), "poses": pair.poses.astype(np.float32)}
    if pair.objects is None:
        none = Masks.none(*pair.crop[2:])
        stored["objects"] = _masks(record, settings.downscale, pair.crop) if settings.masks else none
    return Sample(pair.sharp, pair.blurred, id=record.id, meta=meta, **stored)


def make_samples(record: ImageRecord, settings: Settings, variants: Iterable[int] | None = None) -> Iterator[Sample]:
    """The samples of one photograph, all ``per_image`` variants or those given; see :func:`make_sample`."""
    photograph = load_photograph(record, settings)
    for variant in range(settings.per_image) if variants is None else variants:
        yield make_sample(photograph, settings, variant)


def _smaller(pixels: NDArray[np.uint8], settings: Settings) -> NDArray[np.uint8]:
    """Downscaled as the settings ask, in light that the first recipe of a mixture decodes: nothing is drawn yet."""
    if settings.downscale == 1:
        return pixels
    return downscale(pixels, settings.downscale, load_response(settings.recipe.parts[0].response.decode))


def _frames(clip: Clip, place: int, settings: Settings) -> Frames:
    return Frames(lambda number: _smaller(clip.read(number).pixels, settings), len(clip), place)


def _masks(record: ImageRecord, factor: int, box: Box) -> Masks:
    """The masks of the objects in a box of the photograph; none, and a problem, where they fit another photograph."""
    try:
        found = record.masks(Box(*(side * factor for side in box)))
    except BadImageError as error:
        if error.reason != "size_mismatch":
            raise
        return replace(Masks.none(*box[2:]), problems=(str(error),))
    return found.with_planes(downscale_mask(found.masks, factor))
