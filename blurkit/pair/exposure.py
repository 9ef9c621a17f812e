"""One exposure: what the sensor and the camera make of blurred light, band by band.

    light -> saturation mask -> full well -> noise -> camera response -> 8 bits -> JPEG

With a Bayer stage the noise lies on the camera's mosaic, and what is developed from it goes on to the response.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.bayer import REACH
from blurkit.camera.noise import draw_noise
from blurkit.camera.raw import Camera
from blurkit.camera.response import Response, load_response
from blurkit.camera.sensor import add_noise, compress, highlight_table, saturated
from blurkit.recipes.recipe import Recipe
from blurkit.recipes.sections import Bayer
from blurkit.truth.box import Box

#: Rows that are blurred and exposed at once: linear light takes four bytes a value, and memory is to follow the photograph.
BAND = 512

#: The blurred light of a box of the photograph, float32 (h, w, 3).
Light = Callable[[Box], NDArray[np.float32]]


@dataclass(frozen=True)
class Exposure:
    """What was drawn for one exposure. ``tone`` decodes by its table the light of the scene and encodes by the recipe's curve;
    ``camera`` is ``None`` without a Bayer stage; ``parameters``: the numbers, by name."""

    recipe: Recipe
    tone: Response
    camera: Camera | None
    parameters: dict[str, float]

    @property
    def is_plain(self) -> bool:
        """Whether light is encoded as it is: no noise, no mosaic, no mask to be kept."""
        return self.recipe.noise is None and self.recipe.saturation is None and self.camera is None

    def sharp(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The photograph's codes, uint8, as this camera would have encoded the same scene without blur or noise."""
        curves = self.recipe.response
        if curves.encode == curves.decode and self.parameters.get("gain", 1.0) == 1.0:
            return codes
        decode = load_response(curves.decode)
        table = decode.table * np.float32(self.parameters.get("gain", 1.0))
        return self.tone.quantize(table)[codes]

    def take(
        self, light: Light, crop: Box, shape: tuple[int, ...], *, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """The photograph of a crop, uint8 (h, w, 3), before compression, and where light reached full well, if that is kept."""
        if self.camera is not None:
            return self._develop(self.camera, light, crop, shape, rng)
        y, x, height, width = crop
        image = np.empty((height, width, 3), np.uint8)
        mask = np.empty((height, width), bool) if self.recipe.saturation else None
        for top in range(0, height, BAND):
            rows = slice(top, min(top + BAND, height))
            exposed = light((y + top, x, rows.stop - top, width))
            if mask is not None:
                mask[rows] = saturated(exposed)
            np.minimum(exposed, np.float32(1), out=exposed)  # the full well
            image[rows] = self.tone.quantize(self._noisy(exposed, rng))
        return image, mask

    def compressed(self, image: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The image after JPEG, for the recipe's share of samples; the quality joins the parameters."""
        jpeg = self.recipe.jpeg
        if jpeg is None or rng.random() >= jpeg.share:
            return image
        low, high = jpeg.quality
        self.parameters["jpeg_quality"] = float(rng.integers(round(low), round(high), endpoint=True))
        return compress(image, quality=int(self.parameters["jpeg_quality"]), subsampling=jpeg.subsampling)

    def _noisy(self, light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if self.recipe.noise is None:
            return light
        return add_noise(light, shot=self.parameters["shot"], read=self.parameters["read"], rng=rng)

    def _develop(
        self, camera: Camera, light: Light, crop: Box, shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """As :meth:`take`, through a mosaic; interpolation looks at true pixels beyond the crop where the photograph has them."""
        y, x, height, width = crop
        above, left = min(REACH, y), min(REACH, x)
        below, right = min(REACH, shape[0] - y - height), min(REACH, shape[1] - x - width)
        box = (y - above, x - left, height + above + below, width + left + right)
        raw = np.empty(box[2:], np.float32)
        mask = np.empty(box[2:], bool)
        for top in range(0, box[2], BAND):
            band = (box[0] + top, box[1], min(BAND, box[2] - top), box[3])
            exposed = light(band)
            mask[top : top + BAND] = saturated(exposed)
            raw[top : top + BAND] = self._noisy(camera.at(band[0], band[1]).expose(exposed), rng)
        image = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, BAND):
            rows = range(max(top - REACH, -above), min(top + BAND + REACH, height + below))  # relative to the crop
            part = raw[rows.start + above : rows.stop + above]
            developed = camera.at(y + rows.start, box[1]).develop(part)
            inner = developed[top - rows.start : top - rows.start + min(BAND, height - top), left : left + width]
            image[top : top + BAND] = self.tone.quantize(np.ascontiguousarray(inner))
        return image, mask[above : above + height, left : left + width] if self.recipe.saturation else None


def draw_exposure(recipe: Recipe, *, fraction: float, rng: np.random.Generator) -> Exposure:
    """Draw what the sensor does. ``fraction``: of a whole exposure, during which the shutter is open, in (0, 1]."""
    decode, encode = load_response(recipe.response.decode), load_response(recipe.response.encode)
    parameters: dict[str, float] = {}
    tone = dataclasses.replace(encode, table=decode.table)  # decodes by the one, encodes by the other
    gain = 1.0
    if recipe.sensor:
        low, high = np.log(recipe.sensor.gain)
        parameters["gain"] = gain = float(np.exp(rng.uniform(low, high)))
    if recipe.saturation:
        parameters["highlight"] = float(rng.uniform(*recipe.saturation.highlight))
        table = highlight_table(decode, parameters["highlight"], recipe.saturation.threshold, gain)
        tone = dataclasses.replace(tone, table=table)
    elif gain != 1.0:
        tone = dataclasses.replace(tone, table=decode.table * np.float32(gain))
    if recipe.noise:
        parameters["shot"], parameters["read"] = draw_noise(recipe.noise, exposure=fraction, rng=rng)
    camera = draw_camera(recipe.bayer, rng=rng) if recipe.bayer else None
    if camera is not None:
        parameters |= {"red_gain": camera.gains[0], "blue_gain": camera.gains[2]}
    return Exposure(recipe, tone, camera, parameters)


def draw_camera(bayer: Bayer, *, rng: np.random.Generator) -> Camera:
    """A camera whose pattern is anchored to the frame's corner."""
    pattern = bayer.pattern[int(rng.integers(len(bayer.pattern)))]
    red_gain, blue_gain = float(rng.uniform(*bayer.red_gain)), float(rng.uniform(*bayer.blue_gain))
    return Camera.from_xyz(np.reshape(bayer.matrix, (3, 3)), red_gain=red_gain, blue_gain=blue_gain, pattern=pattern)
