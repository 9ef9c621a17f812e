"""The adversarial losses of the critic and of the generator, computed from the scores of restored and sharp photographs.

The objective is "wgan-gp". Sources: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, for the objective
and the gradient penalty over the whole sample; the code of DeblurGAN (2018) for the gradient penalty at each pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.config import Adversarial
from trainer.networks.build import full_precision

#: Maps photographs to the scores of one or several critics, whose losses are averaged.
Score = Callable[[Tensor], tuple[Tensor, ...]]


def critic_loss(settings: Adversarial, critic: Score, fake: Tensor, real: Tensor, *, alpha: Tensor) -> dict[str, Tensor]:
    """Returns two scalars whose sum the critic minimises: "critic", a difference of mean scores, and "penalty", weighted.

    ``fake``, ``real``: restored and sharp photographs, float (B, 3, H, W) in [-1, 1]. No gradient reaches the generator.
    ``alpha``: the weight of ``real`` in the mixture with ``fake`` at which the penalty is taken, uniform in [0, 1), (1, 1, 1, 1)
    or (B, 1, 1, 1).
    """
    fake = fake.detach()
    if settings.joint:
        both = [full_precision(scores).chunk(2) for scores in critic(torch.cat([fake, real]))]
        difference = torch.stack([restored.mean() - sharp.mean() for restored, sharp in both]).mean()
    else:
        difference = _mean(critic(fake)) - _mean(critic(real))
    penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=settings.gp)
    return {"critic": difference, "penalty": settings.penalty * penalty}


def generator_loss(critic: Score, fake: Tensor) -> Tensor:
    """Returns the scalar that the generator minimises. ``fake``: restored photographs, with their gradient."""
    return -_mean(critic(fake))


def gradient_penalty(critic: Score, fake: Tensor, real: Tensor, *, alpha: Tensor, gp: str) -> Tensor:
    """Returns the mean of (|gradient| - 1)^2 of the critic at ``alpha real + (1 - alpha) fake``, never in half precision.

    ``gp``: "pixel" takes the norm at each pixel, "sample" over each whole sample. The critic must not be compiled by torch,
    because compiled code has no second derivative.
    """
    with torch.autocast(real.device.type, enabled=False):
        fake, real, alpha = full_precision(fake.detach()), full_precision(real.detach()), full_precision(alpha)
        between = (alpha * real + (1 - alpha) * fake).requires_grad_()
        gradients = [torch.autograd.grad(scores.sum(), between, create_graph=True)[0] for scores in critic(between)]
        if gp == "sample":
            gradients = [gradient.flatten(1) for gradient in gradients]
        # in torch the derivative of a norm at zero is zero, so a constant critic needs no epsilon
        return torch.stack([(torch.linalg.vector_norm(gradient, dim=1) - 1).square().mean() for gradient in gradients]).mean()


def _mean(scores: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([full_precision(each).mean() for each in scores]).mean()
