"""Pairs without end: a dataset stores what does not change, and each use of a sample draws the rest anew.

With the store "sharp", the blur and the sensor are drawn. With "light", the blurred light is stored, and the sensor is drawn:
noise, mosaic, response and JPEG. What is drawn depends on a key alone, such as (seed, position). So a training that is resumed
sees the same pairs as one that was not interrupted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.response import load_response
from blurkit.errors import UsageError
from blurkit.pair.degradation import BlurredLight
from blurkit.pair.drawn import Key, draw_blur, stream
from blurkit.pair.exposure import Exposure, developed_region, draw_sensor
from blurkit.recipes.load import stored_recipe
from blurkit.shard.format import Sample
from blurkit.shard.index import Dataset
from blurkit.shard.samples import Samples
from blurkit.truth.box import Box
from blurkit.truth.truth import Truth

_Images = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Redrawn(Samples):
    """The pairs of a dataset that was made with ``--store sharp`` or ``--store light``, as a list: ``len``, indexing, slices and
    iteration. Any thread may read.

    ``dataset``: see :func:`blurkit.open_dataset`. Its recipe draws the pairs. Each ``key`` is a seed, or a sequence of whole
    numbers; ``None`` means the seed that is stored with the sample, which always gives the same pair. Beyond the stored image,
    the blur reads its reflection. Raises :class:`UsageError` for a dataset that stores pairs.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.store = dataset, dataset.store
        if self.store == "pairs":
            raise UsageError(f"{dataset.folder} stores pairs, so nothing is drawn anew; see `blurkit generate --store`")
        shard = dataset.shard(0)
        self.recipe = stored_recipe(str(shard.attributes.get("recipe", "")), {}, where=f"the recipe in {shard.path}")

    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        return f"Redrawn({self.dataset!r})"

    def _read(self, index: int) -> Sample:
        return self.pair(index)

    def pair(self, index: int, *, key: Key | None = None) -> Sample:
        """Returns a pair with its truth, as :func:`blurkit.open_dataset` returns it from a dataset that stores pairs."""
        sample = self.dataset[index]
        whole, key = Box.of(None, sample.sharp.shape), sample.meta["seed"] if key is None else key
        if self.store == "light":
            exposure, rng = self._sensor(index, key)
            blurred = _exposed(exposure, sample.blurred, whole, whole, rng)
            return replace(sample, blurred=blurred, meta=sample.meta | exposure.parameters)
        draw = draw_blur(self.recipe, (whole.height, whole.width), key=key)
        truth = draw.blur.truth
        sharp, blurred = draw.photograph(sample.sharp, once=True)
        return replace(
            sample,
            sharp=sharp,
            blurred=blurred,
            kernel=truth.kernel,
            path=truth.path.astype(np.float32),
            nodes=truth.nodes,
            poses=truth.poses.astype(np.float32),
            meta=sample.meta | draw.parameters | {"valid": draw.valid},
        )

    def shape(self, index: int) -> tuple[int, int]:
        """The (height, width) of a sample in pixels."""
        return self.dataset.shape(index)

    def kernel(self, index: int) -> NDArray[np.float32]:
        """The kernel that the stored seed draws, or that is stored, float32 (k, k)."""
        if self.store == "light":
            return self.dataset.kernel(index)
        return draw_blur(self.recipe, self.shape(index), key=self.dataset.meta(index)["seed"]).kernel

    def images(self, index: int, *, key: Key | None = None) -> _Images:
        """Returns sharp and blurred, uint8 (H, W, 3)."""
        return self.crop(index, 0, 0, self.shape(index), key=key)

    def crop(self, index: int, y: int, x: int, size: int | tuple[int, int], *, key: Key | None = None) -> _Images:
        """Returns the crops of sharp and blurred at (y, x), uint8 (h, w, 3). ``size``: the side of a square, or (h, w)."""
        shape = self.shape(index)
        crop = Box.of((y, x, *(size if isinstance(size, tuple) else (size, size))), shape)
        key = self.dataset.meta(index)["seed"] if key is None else key
        if self.store == "sharp":
            return draw_blur(self.recipe, shape, key=key, crop=crop).photograph(self.dataset.images(index)[0], once=True)
        exposure, rng = self._sensor(index, key)
        region = crop if exposure.camera is None else developed_region(crop, shape)
        sharp, light = self.dataset.crop(index, region.y, region.x, (region.height, region.width))
        return sharp[crop.within(region).slices], _exposed(exposure, light, region, crop, rng)

    def _sensor(self, index: int, key: Key) -> tuple[Exposure, np.random.Generator]:
        """The sensor that a key draws for stored light, and the generator of the noise that follows."""
        rng, known = stream(key), self.dataset.meta(index)
        recipe = self.recipe.parts[int(known.get("recipe", 0))]
        scene = Exposure(recipe, load_response(recipe.response.encode), None, {})
        return draw_sensor(scene, fraction=known.get("exposure", 1.0), rng=rng), rng


def pairs_of(dataset: Dataset) -> Dataset | Redrawn:
    """The pairs of any dataset: those that it stores, or those that the stored seeds draw."""
    return dataset if dataset.store == "pairs" else Redrawn(dataset)


def _exposed(exposure: Exposure, light: NDArray[Any], region: Box, crop: Box, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image of stored light of a region. Light that is not a number counts as darkness."""
    blur = BlurredLight(Truth.unknown(), np.fmax(light.astype(np.float32), 0), region)
    nothing = np.broadcast_to(np.uint8(0), (region.bottom, region.right, 3))  # only its shape is read
    return exposure.photograph(nothing, blur, crop, rng=rng)[0]
