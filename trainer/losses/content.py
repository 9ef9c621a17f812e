"""Content losses: the distance between restored and sharp photographs, in pixels and in the features of a frozen VGG-19."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import ContentWeights
from trainer.losses import vgg
from trainer.networks.build import full_precision


def charbonnier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns the mean of sqrt(difference^2 + 0.001^2), a smooth L1 loss. Source: Lai et al., CVPR 2017."""
    return ((restored - sharp).square() + 1e-6).sqrt().mean()


PIXEL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "mse": F.mse_loss, "charbonnier": charbonnier}


class ContentLoss(nn.Module):
    """The content losses named in ``weights``, which holds only weights above zero. Its parameters are not trained."""

    def __init__(self, weights: Mapping[str, float], features: nn.Module | None) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.features = features

    def forward(self, restored: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """Returns each loss by name, a scalar without its weight. Photographs are float (B, 3, H, W) in [-1, 1]."""
        pixels = full_precision(restored), full_precision(sharp)
        return {term: PIXEL[term](*pixels) if term in PIXEL else self._perceptual(restored, sharp) for term in self.weights}

    def _perceptual(self, restored: Tensor, sharp: Tensor) -> Tensor:
        assert self.features is not None
        with torch.no_grad():
            target = full_precision(self.features(sharp))
        return F.mse_loss(full_precision(self.features(restored)), target)


def build_content(settings: ContentWeights) -> ContentLoss:
    """Returns the content losses of the recipe section ``content``. A loss of weight zero is not computed.

    "perceptual" is the loss of DeblurGAN: the mean squared difference of conv3_3 of VGG-19 before its ReLU. Its input are
    photographs in [-1, 1] without further scaling. Raises :class:`blurkit.errors.UsageError` if the weights of VGG-19 are
    missing.
    """
    return ContentLoss(settings.terms, vgg.features(settings.vgg_weights) if settings.perceptual else None)
