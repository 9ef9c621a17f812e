"""Makes the samples of a record: decodes the photograph, makes pairs, and adds the metadata."""

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
from blurkit.pair.registration import register
from blurkit.pair.seeds import generator, seed_words
from blurkit.pipeline.settings import Settings
from blurkit.program.origin import made_here
from blurkit.shard.format import Sample
from blurkit.sources.pairs import require_alike
from blurkit.sources.record import Clip, ImageRecord
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks
from blurkit.truth.scene import Frames, Scene

#: The diagonal of a frame of 35 mm film in millimetres. Equivalent focal lengths refer to this diagonal.
DIAGONAL_35MM = math.hypot(36, 24)


@dataclass(frozen=True, eq=False)
class Photograph:
    """A decoded photograph, and what is known about it. ``pixels``: uint8 (H, W, 3) RGB, downscaled as the settings ask.
    ``sha256``: of the file. ``notes``: what decoding changed, and what the recipe cannot do with this photograph."""

    record: ImageRecord
    pixels: NDArray[np.uint8]
    sha256: str
    notes: str
    scene: Scene


def load_photograph(record: ImageRecord, settings: Settings) -> Photograph:
    """Decodes a photograph. Raises :class:`blurkit.errors.BadImageError` if it cannot be used."""
    if record.clip is None:
        _refuse_own(record.path)
    decoded = record.read()
    pixels, notes, recipe = decoded.pixels, decoded.notes, settings.recipe
    if settings.downscale > min(pixels.shape[:2]):
        raise BadImageError(
            "too_small", f"{pixels.shape[1]}x{pixels.shape[0]} pixels cannot be downscaled by {settings.downscale}"
        )
    disparity = None
    if record.disparity and any(part.defocus is not None and part.defocus.depth for part in recipe.parts):
        disparity = downscale_disparity(read_disparity(record.disparity, pixels.shape[:2]), settings.downscale)
        if not np.isfinite(disparity).any():  # all finite values were in the rows and columns that are cut off
            raise BadImageError("bad_disparity", f"The disparity map, downscaled by {settings.downscale}, has no finite value.")
    pixels = _smaller(pixels, settings)
    if settings.downscale > 1:
        notes = (*notes, f"downscaled by {settings.downscale}")
    if record.annotation is None and all(part.objects for part in recipe.parts):
        notes = (*notes, "no object is outlined, the camera alone moves")
    real = {}
    for kind in {part.real.kind for part in recipe.parts if part.real is not None and record.blurred}:
        real[kind], sha256 = _blurred(record, kind, settings, pixels)
        notes = (*notes, f"sha256 of the real blurred photograph: {sha256}")
    response = load_response(recipe.parts[0].response.decode)
    scene = Scene(
        focal=_focal(record, decoded.focal_35mm, pixels.shape, settings.downscale),
        masks=None if record.annotation is None else functools.partial(_masks, record, settings.downscale),
        disparity=disparity,
        frames=None if record.clip is None else _frames(record.clip, record.frame, settings),
        blurred=real.__getitem__ if real else None,
        registration=functools.cache(lambda kind: register(pixels, real[kind], response)) if real else None,
    )
    return Photograph(record, pixels, decoded.sha256, "; ".join(notes), scene)


def make_sample(photograph: Photograph, settings: Settings, variant: int) -> Sample:
    """Makes one variant of a photograph. It depends only on (seed, source, image id, variant), the settings and the photograph.
    Raises :class:`blurkit.errors.BadImageError` if the photograph or its annotation cannot be used."""
    record = photograph.record
    words = seed_words(settings.seed, record.source, record.id, variant)
    pair = make_pair(
        photograph.pixels,
        settings.recipe,
        rng=generator(words),
        size=settings.size,
        min_sharpness=settings.min_sharpness,
        scene=photograph.scene,
        store=settings.store,
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
        no_objects = Masks.none(*pair.crop[2:])
        stored["objects"] = _masks(record, settings.downscale, pair.crop) if settings.masks else no_objects
    return Sample(pair.sharp, pair.blurred, id=record.id, meta=meta, **stored)


def make_samples(record: ImageRecord, settings: Settings, variants: Iterable[int] | None = None) -> Iterator[Sample]:
    """Makes the samples of one photograph by :func:`make_sample`: the given variants, or all ``per_image`` variants."""
    photograph = load_photograph(record, settings)
    for variant in range(settings.per_image) if variants is None else variants:
        yield make_sample(photograph, settings, variant)


def _smaller(pixels: NDArray[np.uint8], settings: Settings) -> NDArray[np.uint8]:
    """Downscales in linear light as the settings ask. The first recipe of a mixture decodes, because none is chosen yet."""
    if settings.downscale == 1:
        return pixels
    return downscale(pixels, settings.downscale, load_response(settings.recipe.parts[0].response.decode))


def _focal(record: ImageRecord, exif: float, shape: tuple[int, ...], downscale: int) -> float | None:
    """The focal length in pixels of a downscaled photograph, as its source or else its Exif says. ``None`` if nothing says it."""
    if record.focal_pixels:
        return record.focal_pixels / downscale
    return (record.focal_35mm or exif) * math.hypot(*shape[:2]) / DIAGONAL_35MM or None


def _frames(clip: Clip, place: int, settings: Settings) -> Frames:
    return Frames(lambda number: _smaller(clip.read(number).pixels, settings), len(clip), place)


def _refuse_own(path: str) -> None:
    if made_here(path):
        raise BadImageError("own_picture", "blurkit or trainer drew this picture, so it is no photograph.")


def _blurred(record: ImageRecord, kind: str, settings: Settings, sharp: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
    """A real blurred photograph, of the same size as the sharp one, and the sha256 of its file."""
    place = record.blurred_place(kind)
    _refuse_own(place.path)
    decoded = place.read()
    pixels = _smaller(decoded.pixels, settings)
    if pixels.shape != sharp.shape:
        ours, theirs = ("x".join(map(str, reversed(image.shape[:2]))) for image in (pixels, sharp))
        raise BadImageError("size_mismatch", f"the blurred image is {ours} pixels, and the sharp image is {theirs}")
    if place.half:
        require_alike(place, sharp, pixels)
    return pixels, decoded.sha256


def _masks(record: ImageRecord, factor: int, box: Box) -> Masks:
    """The masks of the objects in a box of the photograph. If their size is wrong: no masks, and a problem."""
    try:
        masks = record.masks(Box(*(side * factor for side in box)))
    except BadImageError as error:
        if error.reason != "size_mismatch":
            raise
        return replace(Masks.none(*box[2:]), problems=(str(error),))
    return masks.with_planes(downscale_mask(masks.masks, factor))
