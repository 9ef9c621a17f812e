"""Content terms: how far a restored photograph is from the sharp one, in pixels and in the features of a frozen VGG-19."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import ContentWeights
from trainer.losses import vgg
from trainer.networks.build import full_precision


def charbonnier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean of sqrt(difference^2 + 0.001^2), a smooth L1. Source: Lai et al., CVPR 2017."""
    return ((restored - sharp).square() + 1e-6).sqrt().mean()


PIXEL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "mse": F.mse_loss, "charbonnier": charbonnier}


class ContentLoss(nn.Module):
    """Terms to be weighted by ``weights``, which holds those above zero. Frozen: it has no parameter that trains."""

    def __init__(self, weights: Mapping[str, float], features: nn.Module | None) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.features = features

    def forward(self, restored: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """The loss of each term, a scalar before its weight, of float photographs (B, 3, H, W) in [-1, 1]."""
        pixels = full_precision(restored), full_precision(sharp)
        return {term: PIXEL[term](*pixels) if term in PIXEL else self._perceptual(restored, sharp) for term in self.weights}

    def _perceptual(self, restored: Tensor, sharp: Tensor) -> Tensor:
        assert self.features is not None
        with torch.no_grad():
            wanted = full_precision(self.features(sharp))
        return F.mse_loss(full_precision(self.features(restored)), wanted)


def build_content(settings: ContentWeights) -> ContentLoss:
    """Content terms by a recipe's section ``content``; those of weight zero cost nothing.

    "perceptual" is DeblurGAN's: the mean square of the difference of VGG-19's conv3_3 before its ReLU, of photographs in [-1, 1]
    as they are. Raises :class:`blurkit.errors.UsageError` for features whose weights cannot be had.
    """
    return ContentLoss(settings.terms, vgg.features(settings.vgg_weights) if settings.perceptual else None)
