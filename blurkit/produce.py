"""A record becomes samples: decode, draw, blur, and say where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from blurkit.decode import Decoded, read_image
from blurkit.pair import make_pair
from blurkit.seeds import generator, seed_words
from blurkit.settings import Settings
from blurkit.shard.format import Sample
from blurkit.sources.record import ImageRecord


def make_samples(record: ImageRecord, settings: Settings, variants: Iterable[int] | None = None) -> Iterator[Sample]:
    """The samples of one photograph, all ``per_image`` variants or those given.

    Each depends on (seed, source, image id, variant), the settings and the photograph alone. Raises
    :class:`blurkit.errors.BadImageError` where the photograph cannot be used.
    """
    decoded = read_image(record.path)
    for variant in range(settings.per_image) if variants is None else variants:
        yield _make_sample(record, decoded, settings, variant)


def _make_sample(record: ImageRecord, decoded: Decoded, settings: Settings, variant: int) -> Sample:
    words = seed_words(settings.seed, record.source, record.id, variant)
    pair = make_pair(decoded.pixels, settings.recipe, rng=generator(words), size=settings.size)
    meta = {
        "source": record.source,
        "licence": record.licence,
        "source_sha256": decoded.sha256,
        "notes": "; ".join(decoded.notes),
        "variant": variant,
        "crop": pair.crop,
        "valid": pair.valid,
        "seed": words,
        **pair.parameters,
    }
    return Sample(pair.sharp, pair.blurred, pair.kernel, pair.path.astype(np.float32), record.id, meta)
