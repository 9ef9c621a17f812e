"""One exposure: the sensor and the camera turn blurred light into an image, band by band. The exposed fraction of the path is
drawn with the path, in ``shake.py`` and ``turn.py``.

    light -> saturation mask -> full well -> noise -> camera response -> 8 bits -> JPEG

With a Bayer stage, the noise is added to the camera's mosaic. The light that is developed from the mosaic is then encoded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.codes import blur_codes
from blurkit.camera.bayer import REACH
from blurkit.camera.noise import draw_noise
from blurkit.camera.raw import Camera
from blurkit.camera.response import Response, load_response
from blurkit.camera.sensor import add_noise, compress, highlight_table, saturated
from blurkit.pair.degradation import Blur
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Bayer
from blurkit.truth.box import Box

#: Rows that are blurred and exposed at once. Linear light takes four bytes per value, so bands of rows save memory.
BAND = 512


@dataclass(frozen=True)
class Exposure:
    """What was drawn for one exposure. ``tone``: decodes a photograph to the light of the scene with its table, and
    encodes light with its thresholds. ``camera``: the camera with its Bayer mosaic, or ``None`` if the recipe has no Bayer stage.
    ``parameters``: the drawn numbers, by name."""

    recipe: Recipe
    tone: Response
    camera: Camera | None
    parameters: dict[str, float]

    @property
    def is_plain(self) -> bool:
        """Whether light is only encoded: without noise, without a mosaic, and without a saturation mask."""
        return self.recipe.noise is None and self.recipe.saturation is None and self.camera is None

    def sharp(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns the sharp image of the photograph's codes, uint8: this camera's codes for the scene without blur and noise."""
        curves, gain = self.recipe.response, self.parameters.get("gain", 1.0)
        if curves.encode == curves.decode and gain == 1.0:
            return codes
        return self.tone.quantize(load_response(curves.decode).table * np.float32(gain))[codes]

    def photograph(
        self, image: NDArray[np.uint8], blur: Blur, crop: Box, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Blurs, exposes and compresses a crop. Returns the image, uint8 (h, w, 3), and the saturation mask of :meth:`take`."""
        if self.is_plain and blur.uniform:
            blurred, saturation = blur_codes(image, blur.truth.kernel, self.tone, box=crop), None
        else:
            blurred, saturation = self.take(image, blur, crop, rng=rng)
        return self.compressed(blurred, rng=rng), saturation

    def light(self, image: NDArray[np.uint8], blur: Blur, crop: Box) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Blurs a crop. Returns the light that reaches the sensor, before full well, float16 (h, w, 3), and the saturation mask
        of :meth:`take`. Light beyond the range of float16 becomes its largest number."""
        light = np.empty((*crop[2:], 3), np.float16)
        for rows, part in self._bands(image, blur, crop, crop):
            light[rows] = np.minimum(part, np.finfo(np.float16).max)
        return light, saturated(light.astype(np.float32)) if self.recipe.saturation else None

    def take(
        self, image: NDArray[np.uint8], blur: Blur, crop: Box, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Exposes the blurred light of a crop. Returns the image, uint8 (h, w, 3), before JPEG compression, and the saturation
        mask, bool (h, w), which is true where light reached full well. The mask is ``None`` if the recipe draws no highlights."""
        camera = self.camera
        box = crop if camera is None else developed_region(crop, image.shape)
        taken: NDArray[Any] = np.empty((*box[2:], 3), np.uint8) if camera is None else np.empty(box[2:], np.float32)
        mask = np.empty(box[2:], bool) if self.recipe.saturation else None
        for rows, light in self._bands(image, blur, crop, box):
            if mask is not None:
                mask[rows] = saturated(light)
            if camera is None:
                np.minimum(light, np.float32(1), out=light)  # the full well
                taken[rows] = self.tone.quantize(self._noisy(light, rng))
            else:
                taken[rows] = self._noisy(camera.at(box.y + rows.start, box.x).expose(light), rng)
        if camera is not None:
            taken = self._developed(camera, taken, box, crop, image.shape)
        return taken, None if mask is None else mask[crop.within(box).slices]

    def compressed(self, image: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Compresses the image as JPEG, for the recipe's share of the samples. Adds the quality to the parameters."""
        jpeg = self.recipe.jpeg
        if jpeg is None or rng.random() >= jpeg.share:
            return image
        low, high = jpeg.quality
        self.parameters["jpeg_quality"] = float(rng.integers(round(low), round(high), endpoint=True))
        return compress(image, quality=int(self.parameters["jpeg_quality"]), subsampling=jpeg.subsampling)

    def _bands(self, image: NDArray[np.uint8], blur: Blur, crop: Box, box: Box) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yields the blurred light of a box, :data:`BAND` rows at a time: the rows, counted within the box, and their light."""
        region = developed_region(crop, image.shape)
        light = blur.blur(image, self.tone, region)[box.within(region).slices] if blur.whole else None
        for top in range(0, box.height, BAND):
            rows = slice(top, min(top + BAND, box.height))
            part = Box(box.y + top, box.x, rows.stop - top, box.width)
            yield rows, blur.blur(image, self.tone, part) if light is None else light[rows]

    def _noisy(self, light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if self.recipe.noise is None:
            return light
        return add_noise(light, shot=self.parameters["shot"], read=self.parameters["read"], rng=rng)

    def _developed(
        self, camera: Camera, raw: NDArray[np.float32], box: Box, crop: Box, shape: tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """Develops a crop from the mosaic of a box. Interpolation reads true pixels around the crop, if there are any."""
        taken = np.empty((crop.height, crop.width, 3), np.uint8)
        for top in range(0, crop.height, BAND):
            band = Box(crop.y + top, crop.x, min(BAND, crop.height - top), crop.width)
            around = developed_region(band, shape)
            light = camera.at(around.y, box.x).develop(raw[around.y - box.y : around.bottom - box.y])
            inner = light[band.within(around._replace(x=box.x)).slices]
            taken[top : top + BAND] = self.tone.quantize(np.ascontiguousarray(inner))
        return taken


def developed_region(crop: Box, shape: tuple[int, ...]) -> Box:
    """A crop with the pixels around it that the interpolation of a mosaic reads."""
    return crop.grown(REACH, shape)


def draw_exposure(recipe: Recipe, *, fraction: float, rng: np.random.Generator) -> Exposure:
    """Draws an exposure. ``fraction``: the part of a whole exposure during which the shutter is open, in (0, 1]."""
    return draw_sensor(draw_scene(recipe, rng=rng), fraction=fraction, rng=rng)


def draw_scene(recipe: Recipe, *, rng: np.random.Generator) -> Exposure:
    """Draws what decides the light before the sensor: the gain and the highlights."""
    decode, encode = load_response(recipe.response.decode), load_response(recipe.response.encode)
    parameters: dict[str, float] = {}
    gain, table = 1.0, decode.table
    if recipe.sensor:
        parameters["gain"] = gain = float(np.exp(rng.uniform(*np.log(recipe.sensor.gain))))
    if recipe.saturation:
        parameters["highlight"] = float(rng.uniform(*recipe.saturation.highlight))
        table = highlight_table(decode, parameters["highlight"], recipe.saturation.threshold, gain)
    elif gain != 1.0:
        table = decode.table * np.float32(gain)
    return Exposure(recipe, dataclasses.replace(encode, table=table), None, parameters)


def draw_sensor(scene: Exposure, *, fraction: float, rng: np.random.Generator) -> Exposure:
    """Draws the sensor that exposes a scene: its noise and its mosaic. ``fraction``: see :func:`draw_exposure`."""
    recipe, parameters = scene.recipe, dict(scene.parameters)
    if recipe.noise:
        parameters["shot"], parameters["read"] = draw_noise(recipe.noise, exposure=fraction, rng=rng)
    camera = draw_camera(recipe.bayer, rng=rng) if recipe.bayer else None
    if camera is not None:
        parameters |= {"red_gain": camera.gains[0], "blue_gain": camera.gains[2]}
    return Exposure(recipe, scene.tone, camera, parameters)


def draw_camera(bayer: Bayer, *, rng: np.random.Generator) -> Camera:
    """Draws a camera. Its Bayer pattern begins at the corner of the frame."""
    pattern = bayer.pattern[int(rng.integers(len(bayer.pattern)))]
    red_gain, blue_gain = float(rng.uniform(*bayer.red_gain)), float(rng.uniform(*bayer.blue_gain))
    return Camera.from_xyz(np.reshape(bayer.matrix, (3, 3)), red_gain=red_gain, blue_gain=blue_gain, pattern=pattern)
