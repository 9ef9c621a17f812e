"""Camera responses on tensors: encoded values in [0, 1] to linear light and back, differentiable.

Between the 511 codes and half codes a response is linear, as in :meth:`blurkit.camera.response.Response.encode`.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from blurkit.camera.response import Response

#: An encoded value that is at most this far from a half code, in half codes, counts as this half code.
_ROUNDING = 1e-3


def decode(images: Tensor, response: Response) -> Tensor:
    """Linear light of encoded values of any shape, with the curve of a response. Values outside [0, 1] are clipped.

    The light of ``code / 255`` is exactly that of the code. Raises :class:`blurkit.errors.UsageError` for a response that only
    encodes.
    """
    response.require_inverse()
    knots = _knots(response)[0].to(images)
    place = _clipped(images, 0.0, 1.0) * (len(knots) - 1)
    nearest = place.detach().round()
    exact = (place.detach() - nearest).abs() < _ROUNDING
    place = place + torch.where(exact, nearest - place.detach(), 0)
    before = place.detach().floor().long().clamp(max=len(knots) - 2)
    return torch.lerp(knots[before], knots[before + 1], place - before)


def encode(light: Tensor, response: Response) -> Tensor:
    """The encoded values in [0, 1] of linear light of any shape. Light outside the curve is clipped."""
    knots, values = (part.to(light) for part in _knots(response))
    light = _clipped(light, float(knots[0]), float(knots[-1]))
    before = torch.bucketize(light.detach().contiguous(), knots[1:-1], right=True)
    share = (light - knots[before]) / (knots[before + 1] - knots[before])
    return torch.lerp(values[before], values[before + 1], share)


def quantize(light: Tensor, response: Response) -> Tensor:
    """The nearest codes, int64, of linear light of any shape, as :meth:`blurkit.camera.response.Response.quantize` finds them."""
    return torch.bucketize(light.detach().contiguous(), torch.from_numpy(response.thresholds[1:256]).to(light), right=True)


def _clipped(values: Tensor, low: float, high: float) -> Tensor:
    """``values`` clipped. At the bounds the gradient is 1 in every version of torch: clipped photographs are full of them."""
    return torch.where((values < low) | (values > high), values.detach().clamp(low, high), values)


@functools.lru_cache(maxsize=16)
def _knots(response: Response) -> tuple[Tensor, Tensor]:
    light, values = response.knots()
    return torch.from_numpy(np.ascontiguousarray(light)), torch.from_numpy(np.ascontiguousarray(values))
