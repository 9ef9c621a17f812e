"""The adversarial losses: what a critic's scores of restored and of sharp photographs cost the critic, and the generator.

The objective is "wgan-gp", of Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, as is the penalty over the
whole sample; the penalty at each pixel is that of the code of DeblurGAN (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config import Adversarial
from trainer.networks.build import full_precision


def critic_loss(settings: Adversarial, critic: nn.Module, fake: Tensor, real: Tensor, *, alpha: Tensor) -> dict[str, Tensor]:
    """Scalars whose sum the critic lowers: "critic", its opinion, and "penalty", weighted.

    ``fake`` and ``real`` are restored and sharp photographs (B, 3, H, W) in [-1, 1]; no gradient reaches the generator.
    ``alpha``, uniform in [0, 1), (1, 1, 1, 1) or (B, 1, 1, 1), is where between them the slope is taken: at 1, ``real``.
    """
    fake = fake.detach()
    if settings.joint:
        restored, sharp = full_precision(critic(torch.cat([fake, real]))).chunk(2)
    else:
        restored, sharp = full_precision(critic(fake)), full_precision(critic(real))
    opinion = restored.mean() - sharp.mean()
    penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=settings.gp)
    return {"critic": opinion, "penalty": settings.penalty * penalty}


def generator_loss(critic: nn.Module, fake: Tensor) -> Tensor:
    """The scalar that the generator lowers; ``fake`` carries its gradient."""
    return -full_precision(critic(fake)).mean()


def gradient_penalty(critic: nn.Module, fake: Tensor, real: Tensor, *, alpha: Tensor, gp: str) -> Tensor:
    """Mean of (|slope| - 1)^2 at ``alpha real + (1 - alpha) fake``, over pixels or over samples; never in half precision.

    The critic has to be one that torch has not compiled: compiled code has no second derivative.
    """
    with torch.autocast(real.device.type, enabled=False):
        fake, real, alpha = full_precision(fake.detach()), full_precision(real.detach()), full_precision(alpha)
        between = (alpha * real + (1 - alpha) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        if gp == "sample":
            slope = slope.flatten(1)
        # torch takes the derivative of a norm at zero to be zero, so that a flat critic is safe without an epsilon
        return (torch.linalg.vector_norm(slope, dim=1) - 1).square().mean()
