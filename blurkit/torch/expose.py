"""Blurs and exposes a batch of images with what was drawn for them: the pixels of :func:`blurkit.make_pair` on tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from blurkit.camera.response import load_response
from blurkit.kernels.stack import stacked
from blurkit.pair.drawn import Draw
from blurkit.program.checks import require
from blurkit.torch.convolve import blur
from blurkit.torch.field import blur_field
from blurkit.torch.light import decode, encode
from blurkit.torch.sensor import scene_light, take

#: A value that is at most this far from a whole code, in codes, is this code.
_ROUNDING = 1e-3

_Part = TypeVar("_Part")


def expose(images: Tensor, draws: Sequence[Draw], *, kernels: Tensor | None = None, quantize: bool = True) -> Tensor:
    """Blur each image, expose it and encode it, as drawn.

    ``images``: RGB ``(B, 3, H, W)``, uint8 codes, or floating point in [0, 1], of the shape for which the draws were made.
    ``draws``: one for each image, by :func:`draw_blur`. ``kernels``: ``(B, k, k)`` replace the drawn kernels of uniform blurs.
    ``quantize``: whether the values are rounded to codes and compressed as drawn; without it they are exact up to the noise.

    Returns the crops of the draws, ``(B, 3, h, w)``, in the dtype of the images. On the CPU, codes (uint8, or float32 with
    whole codes / 255) become those of :func:`blurkit.make_pair`, bit for bit, by its compiled code. Other values and devices
    are blurred by torch, to about a hundredth of a code before rounding; on CUDA the noise has other random numbers. Gradients
    flow to the images and to ``kernels``; rounding, noise and JPEG pass them straight through.

    Raises :class:`blurkit.errors.UsageError` for other shapes and dtypes, if ``kernels`` are given for a camera that turns, and
    for ``quantize=False`` with uint8 or with a Bayer mosaic.
    """
    _check(images, draws, kernels, quantize)
    crops = {draw.crop[2:] for draw in draws}
    require(len(crops) == 1, f"the crops of a batch have one size, got {', '.join(map(str, sorted(crops)))}")
    compiled = quantize and kernels is None and images.device.type == "cpu"
    if images.dtype == torch.uint8:
        if compiled:
            return _codes(images, draws)
        values = _by_torch(images / 255, draws, kernels, True)
        return (values * 255).round().to(torch.uint8)
    if compiled and images.dtype == torch.float32 and _are_codes(images):
        exposed: Tensor = _Compiled.apply(images, draws)
        return exposed
    working = images if images.dtype == torch.float64 else images.float()
    return _by_torch(working, draws, kernels, quantize).to(images.dtype)


def sharp(images: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The sharp images of the pairs: the crops of the draws, with the gain and the response of the exposure but without blur and
    noise. ``images``, ``draws``: as for :func:`expose`."""
    _check(images, draws, None, True)
    parts = []
    for image, draw in zip(images, draws, strict=True):
        part, curves, gain = image[:, *draw.crop.slices], draw.exposure.recipe.response, draw.parameters.get("gain", 1.0)
        if image.dtype == torch.uint8:
            part = torch.from_numpy(draw.exposure.sharp(np.arange(256, dtype=np.uint8))).to(image.device)[part.long()]
        elif curves.encode != curves.decode or gain != 1:
            part = encode(decode(part, load_response(curves.decode)) * gain, load_response(curves.encode))
        parts.append(part)
    return torch.stack(parts)


def _check(images: Tensor, draws: Sequence[Draw], kernels: Tensor | None, quantize: bool) -> None:
    good = isinstance(images, Tensor) and images.ndim == 4 and images.shape[1] == 3 and images.numel() > 0
    given = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
    good = good and (images.dtype == torch.uint8 or images.is_floating_point())
    require(good, f"images are a tensor (B, 3, H, W) of RGB, uint8 or floating point in [0, 1]; got {given}")
    require(len(draws) == len(images), f"there are {len(draws)} draws for {len(images)} images")
    shapes = {draw.shape for draw in draws}
    require(shapes == {tuple(images.shape[2:])}, f"the draws are for images of {shapes}, and these are {given}")
    require(quantize or images.dtype != torch.uint8, "quantize=False is for floating-point images; uint8 holds codes")
    uniform = all(draw.blur.uniform for draw in draws)
    require(kernels is None or uniform, "kernels cannot replace those of a camera that turns: its blur varies over the image")


def _are_codes(images: Tensor) -> bool:
    codes = images.detach() * 255
    nearest = codes.round()
    return bool(((codes - nearest).abs() <= _ROUNDING).all()) and float(nearest.min()) >= 0 and float(nearest.max()) <= 255


class _Compiled(torch.autograd.Function):
    """Whole codes through the compiled code of the CPU. The gradient is that of the torch form."""

    @staticmethod
    def forward(context: Any, images: Tensor, draws: Sequence[Draw]) -> Tensor:
        context.save_for_backward(images)
        context.draws = draws
        return _codes((images.detach() * 255).round().to(torch.uint8), draws) / 255

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        with torch.enable_grad():
            images = context.saved_tensors[0].detach().requires_grad_()
            (wanted,) = torch.autograd.grad(_by_torch(images, context.draws, None, True), images, gradient)
        return wanted, None


def _codes(images: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Codes to codes, uint8 on the CPU, by the code of :func:`blurkit.make_pair`, several images at once."""
    planes = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())

    def one(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return draws[number].photograph(planes[number])[1]

    return torch.from_numpy(np.stack(_mapped(one, range(len(draws))))).permute(0, 3, 1, 2).contiguous()


def _mapped(function: Callable[[int], _Part], numbers: Iterable[int]) -> list[_Part]:
    """``map`` on as many threads as torch uses: compiled code runs without the interpreter's lock."""
    threads = torch.get_num_threads()
    if threads == 1:
        return list(map(function, numbers))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, numbers))


def _by_torch(images: Tensor, draws: Sequence[Draw], kernels: Tensor | None, quantize: bool) -> Tensor:
    """Encoded values to encoded values, floating point on any device, by torch."""
    if len({_form(draw) for draw in draws}) > 1:
        given = [None] * len(draws) if kernels is None else kernels.expand(len(draws), -1, -1).split(1)
        singles = zip(images.split(1), draws, given, strict=True)
        return torch.cat([_by_torch(image, [draw], kernel, quantize) for image, draw, kernel in singles])
    light, box = scene_light(images, draws), draws[0].region
    if draws[0].blur.uniform:
        kernels = torch.from_numpy(stacked([draw.kernel for draw in draws])) if kernels is None else kernels
        blurred = blur(light, kernels, box=box)
    else:
        blurred = blur_field(light, [draw.field for draw in draws], box=box)
    return take(blurred, draws, codes=quantize)


def _form(draw: Draw) -> tuple[Any, ...]:
    """What images must share to be computed as one batch."""
    recipe = draw.exposure.recipe
    return draw.crop, draw.blur.uniform, recipe.response, draw.exposure.camera is None
