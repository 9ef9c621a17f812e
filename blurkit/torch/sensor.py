"""The sensor on tensors: full well, noise, response, codes and JPEG.

    light -> full well -> noise -> camera response -> 8 bits -> JPEG

The gradient is that of the exposure without noise, rounding and JPEG: these three change the values only (straight through).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from blurkit.camera.photons import FEW_PHOTONS
from blurkit.camera.response import Response, load_response
from blurkit.errors import UsageError
from blurkit.pair.degradation import BlurredLight
from blurkit.pair.drawn import Draw
from blurkit.torch.light import decode, encode, quantize
from blurkit.truth.truth import Truth


def scene_light(images: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The light of the scenes, with the drawn highlights and gains, as :func:`blurkit.camera.highlight_table` restores it.

    ``images``: encoded values in [0, 1], ``(B, C, H, W)``. ``draws``: one for each image, with one decoding response for all.
    """
    light = decode(images, load_response(draws[0].exposure.recipe.response.decode))
    highlights = [draw.exposure.recipe.saturation for draw in draws]
    thresholds = _column(light, [2.0 if highlight is None else highlight.threshold for highlight in highlights])  # 2: never
    light = light + (light.detach() >= thresholds) * _column(light, [draw.parameters.get("highlight", 0.0) for draw in draws])
    return light * _column(light, [draw.parameters.get("gain", 1.0) for draw in draws])


def take(light: Tensor, draws: Sequence[Draw], *, codes: bool) -> Tensor:
    """The encoded values in [0, 1] of blurred light.

    ``light``: ``(B, C, H, W)``, of the region of each draw. ``draws``: one for each image, with one encoding response for all.
    ``codes``: whether the values are rounded to codes and compressed. If not, they are exact up to the noise.

    On a CUDA device the noise is drawn there, from a generator that the draw seeds. Elsewhere codes are made by the compiled
    code of the CPU, with the same random numbers as in :func:`blurkit.make_pair`. Raises
    :class:`blurkit.errors.UsageError` for a camera with a Bayer mosaic if ``codes`` is false.
    """
    response, mosaic = load_response(draws[0].exposure.recipe.response.encode), draws[0].exposure.camera is not None
    if mosaic and not codes:
        raise UsageError("a camera with a Bayer mosaic gives codes: leave out quantize=False, or use a recipe without [bayer]")
    values = [
        _compiled(one, draw) if codes and (mosaic or light.device.type != "cuda") else _on_device(one, draw, response, codes)
        for one, draw in zip(light.detach(), draws, strict=True)
    ]
    result = torch.stack(values).to(light)
    if not light.requires_grad:
        return result
    clean = encode(light, response)[..., *draws[0].crop.within(draws[0].region).slices]
    return clean + (result - clean).detach()


def _compiled(light: Tensor, draw: Draw) -> Tensor:
    """The values of one image, (C, h, w), by the compiled code of the CPU."""
    blur = BlurredLight(Truth.unknown(), light.permute(1, 2, 0).to("cpu", torch.float32).numpy(), draw.region)
    nothing = np.broadcast_to(np.uint8(0), (*draw.shape, 3))  # only its shape is read
    taken, _ = draw.exposure.photograph(nothing, blur, draw.crop, rng=draw.rest())
    return torch.from_numpy(taken).permute(2, 0, 1) / 255


def _on_device(light: Tensor, draw: Draw, response: Response, codes: bool) -> Tensor:
    """The values of one image, (C, H, W), by torch."""
    stream, light = draw.rest(), light.clamp(max=1)
    if draw.exposure.recipe.noise is not None:
        device = light.device if light.device.type == "cuda" else torch.device("cpu")  # no other device has all of the draws
        drawn = torch.Generator(device).manual_seed(int(stream.integers(2**63)))
        light = add_noise(light.to(device), draw.parameters["shot"], draw.parameters["read"], generator=drawn).to(light)
    if not codes:
        return encode(light, response)
    values = quantize(light, response)
    if draw.exposure.recipe.jpeg is None:
        return values / 255
    planes = np.ascontiguousarray(values.permute(1, 2, 0).to("cpu", torch.uint8).numpy())
    return torch.from_numpy(draw.exposure.compressed(planes, rng=stream)).permute(2, 0, 1) / 255


def add_noise(light: Tensor, shot: float, read: float, *, generator: torch.Generator) -> Tensor:
    """Light with the noise of :func:`blurkit.camera.add_noise`, drawn by torch on the device of the light and the generator.

    The distribution is the same: normal, but exactly Poisson below :data:`blurkit.camera.photons.FEW_PHOTONS` photons. The
    numbers are others.
    """
    mean = light.clamp(min=0)
    normal = torch.randn(light.shape, generator=generator, device=light.device, dtype=light.dtype)
    counts = torch.poisson((mean / shot).clamp(max=FEW_PHOTONS), generator=generator)
    few = mean < FEW_PHOTONS * shot
    return torch.where(few, shot * counts + read * normal, mean + (shot * mean + read**2).sqrt() * normal)


def _column(light: Tensor, values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=light.dtype, device=light.device)[:, None, None, None]
