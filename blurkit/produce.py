"""A record becomes samples: decode, draw, blur, and say where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.downscale import downscale, downscale_mask
from blurkit.errors import BadImageError
from blurkit.masks import Masks
from blurkit.pair import make_pair
from blurkit.response import load_response
from blurkit.seeds import generator, seed_words
from blurkit.settings import Settings
from blurkit.shard.format import Sample
from blurkit.sources.record import Box, ImageRecord


@dataclass(frozen=True, eq=False)
class Photograph:
    """A record with its pixels, uint8 (H, W, 3), made smaller where the settings ask for it; ``notes``: what decoding changed."""

    record: ImageRecord
    pixels: NDArray[np.uint8]
    sha256: str
    notes: str


def load_photograph(record: ImageRecord, settings: Settings) -> Photograph:
    """Decode a photograph. Raises :class:`blurkit.errors.BadImageError` where it cannot be used."""
    decoded = record.read()
    pixels, notes = decoded.pixels, decoded.notes
    if settings.downscale > min(pixels.shape[:2]):
        raise BadImageError(
            "too_small", f"{pixels.shape[1]}x{pixels.shape[0]} pixels cannot be downscaled by {settings.downscale}"
        )
    if settings.downscale > 1:
        pixels = downscale(pixels, settings.downscale, load_response(settings.recipe.response.decode))
        notes = (*notes, f"downscaled by {settings.downscale}")
    return Photograph(record, pixels, decoded.sha256, "; ".join(notes))


def make_sample(photograph: Photograph, settings: Settings, variant: int) -> Sample:
    """One variant of a photograph: it depends on (seed, source, image id, variant), the settings and the photograph alone.

    Raises :class:`blurkit.errors.BadImageError` where the photograph or its annotation cannot be used.
    """
    record = photograph.record
    words = seed_words(settings.seed, record.source, record.id, variant)
    pair = make_pair(
        photograph.pixels, settings.recipe, rng=generator(words), size=settings.size, min_sharpness=settings.min_sharpness
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
    objects = _masks(record, pair.crop, settings.downscale) if settings.masks else Masks.none(*pair.crop[2:])
    return Sample(
        pair.sharp,
        pair.blurred,
        pair.kernel,
        pair.path.astype(np.float32),
        record.id,
        meta,
        objects,
        nodes=pair.nodes,
        poses=pair.poses.astype(np.float32),
        saturation=pair.saturation,
    )


def make_samples(record: ImageRecord, settings: Settings, variants: Iterable[int] | None = None) -> Iterator[Sample]:
    """The samples of one photograph, all ``per_image`` variants or those given; see :func:`make_sample`."""
    photograph = load_photograph(record, settings)
    for variant in range(settings.per_image) if variants is None else variants:
        yield make_sample(photograph, settings, variant)


def _masks(record: ImageRecord, crop: Box, factor: int) -> Masks:
    """The masks of the objects that a crop of the photograph shows; none, and a problem, where they fit another photograph."""
    y, x, height, width = (side * factor for side in crop)
    try:
        found = record.masks((y, x, height, width))
    except BadImageError as error:
        if error.reason != "size_mismatch":
            raise
        return replace(Masks.none(*crop[2:]), problems=(str(error),))
    return found.with_planes(downscale_mask(found.masks, factor))
