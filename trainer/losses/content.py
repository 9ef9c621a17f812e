"""Content losses: distances between restored and sharp photographs, in pixels, in their spectra, and in features of classifiers.

Each is a module of (restored, sharp), both float (B, 3, H, W) in [-1, 1]. It returns a scalar, or (B,) with the loss of each
pair. The gradient is for ``restored``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.losses.features import Features, Imagenet, features
from trainer.losses.lpips import Lpips, build_lpips
from trainer.networks.build import full_precision
from trainer.sections import ContentWeights

#: The layer that is used if the recipe names none: conv3_3 of DeblurGAN, relu3_3 of NNFL, and the last.
LAYERS = {"vgg19": (14,), "vgg16": (15,), "mobilenet_v2": (18,)}


def charbonnier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns the mean of sqrt(difference^2 + 0.001^2), a smooth L1 loss. Source: Lai et al., CVPR 2017."""
    return ((restored - sharp).square() + 1e-6).sqrt().mean()


def psnr(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns minus the PSNR of each pair in decibels, (B,), for the range [-1, 1]: 10 lg(mean difference^2 / 4 + 1e-8).

    A pair counts by its decibels, so that errors on nearly sharp photographs weigh as much as those on blurred ones. Source: the
    code of NAFNet (Chen et al., ECCV 2022).
    """
    return 10 * ((restored - sharp).square().mean((1, 2, 3)) / 4 + 1e-8).log10()


def smoothness(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns the mean of exp(-|g(sharp)|) |g(restored)|, where g are the differences between neighbours along a column or a row.

    The mean is over both directions. The loss smooths where the sharp photograph has no edge. Source: VEGAN, whose published code
    computes it without a gradient, so that it does not train.
    """
    directions = [(sharp.diff(dim=axis).abs(), restored.diff(dim=axis).abs()) for axis in (2, 3)]
    return torch.stack([((-there).exp() * here).mean() for there, here in directions]).mean()


def fourier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns the mean squared difference of the magnitudes of the spectra of each channel, with orthonormal transforms.

    By Parseval's theorem the squared difference of the complex spectra would be that of the pixels.
    """
    spectra = (torch.fft.fft2(images, norm="ortho").abs() for images in (restored, sharp))
    return F.mse_loss(*spectra)


class Pixels(nn.Module):
    """A distance of pixels, never in half precision."""

    def __init__(self, distance: Callable[[Tensor, Tensor], Tensor], scaling: str = "raw") -> None:
        super().__init__()
        self._distance = distance
        self.scale = Imagenet() if scaling == "imagenet" else nn.Identity()

    def forward(self, restored: Tensor, sharp: Tensor) -> Tensor:
        with torch.autocast(restored.device.type, enabled=False):
            return self._distance(self.scale(full_precision(restored)), self.scale(full_precision(sharp)))


class Perceptual(nn.Module):
    """The mean squared difference of features. ``reduction``: the "mean" over the layers, as in the code of VEGAN, or half their
    sum, "half-sum", as in its paper. ``sharp`` gets no gradient."""

    def __init__(self, network: Features, reduction: str = "mean") -> None:
        super().__init__()
        self.network = network
        self._share = 0.5 if reduction == "half-sum" else 1 / len(network.layers)

    def forward(self, restored: Tensor, sharp: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.network(sharp)
        pairs = zip(self.network(restored), targets, strict=True)
        losses = [F.mse_loss(full_precision(found), full_precision(target)) for found, target in pairs]
        return self._share * torch.stack(losses).sum()


def _perceptual(settings: ContentWeights) -> Perceptual:
    name, numbers = settings.perceptual_network, settings.perceptual_layers
    network = features(name, numbers or LAYERS[name], settings.vgg_weights, settings.perceptual_input)
    return Perceptual(network, settings.perceptual_reduction)


def _lpips(settings: ContentWeights) -> Lpips:
    remedy = "--set content.lpips_weights=PATH, or train without it: --set content.lpips=0"
    return build_lpips(settings.lpips_network, settings.lpips_weights, remedy=remedy)


#: Each loss that [content] has a weight for.
TERMS: dict[str, Callable[[ContentWeights], nn.Module]] = {
    "perceptual": _perceptual,
    "l1": lambda _: Pixels(F.l1_loss),
    "mse": lambda settings: Pixels(F.mse_loss, settings.mse_input),
    "charbonnier": lambda _: Pixels(charbonnier),
    "psnr": lambda _: Pixels(psnr),
    "smoothness": lambda _: Pixels(smoothness),
    "lpips": _lpips,
    "fourier": lambda _: Pixels(fourier),
}


class ContentLoss(nn.Module):
    """The content losses named in ``weights``. ``losses``: the module of each. Their parameters are not trained."""

    def __init__(self, weights: Mapping[str, float], losses: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.weights, self._losses = dict(weights), nn.ModuleDict(losses)

    @property
    def networks(self) -> list[Features]:
        """The networks that take most of the time, to be compiled."""
        return [module for module in self.modules() if isinstance(module, Features)]

    def forward(self, restored: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """Returns each loss by name, a scalar without its weight. Photographs are float (B, 3, H, W) in [-1, 1]."""
        return {name: loss(restored, sharp).mean() for name, loss in self._losses.items()}


def build_content(settings: ContentWeights) -> ContentLoss:
    """Returns the content losses of the recipe section ``content``. A loss of weight zero is not computed.

    Raises :class:`blurkit.errors.UsageError` if the weights of a network are missing.
    """
    return ContentLoss(settings.terms, {name: TERMS[name](settings) for name in settings.terms})
