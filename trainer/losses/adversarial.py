"""Adversarial objectives: what a critic's scores of restored and of sharp photographs cost the critic, and the generator.

Sources: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, for "wgan-gp" and the penalty over the whole
sample; the code of DeblurGAN (2018) for the penalty at each pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from blurkit.program.checks import one_of
from trainer.config import Adversarial
from trainer.networks.build import full_precision


class Objective(NamedTuple):
    """A pair of losses of score maps, and whether the critic's slope is penalised."""

    critic: Callable[[Tensor, Tensor], Tensor]  # (scores of restored, scores of sharp) -> scalar
    generator: Callable[[Tensor], Tensor]  # (scores of restored) -> scalar
    penalised: bool


OBJECTIVES = {
    "wgan-gp": Objective(lambda fake, real: fake.mean() - real.mean(), lambda fake: -fake.mean(), penalised=True),
}


class AdversarialLoss:
    """What critic and generator lower, by the objective and the settings of a recipe's section ``adversarial``."""

    def __init__(self, settings: Adversarial) -> None:
        one_of("adversarial.objective", settings.objective, list(OBJECTIVES))
        self._objective, self._settings = OBJECTIVES[settings.objective], settings

    def critic_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, *, alpha: Tensor) -> dict[str, Tensor]:
        """Scalars whose sum the critic lowers: "critic", its opinion, and "penalty", weighted, where the objective has one.

        ``fake`` and ``real`` are restored and sharp photographs (B, 3, H, W) in [-1, 1]; no gradient reaches the generator.
        ``alpha``, uniform in [0, 1), (1, 1, 1, 1) or (B, 1, 1, 1), is where between them the slope is taken: at 1, ``real``.
        """
        fake = fake.detach()
        if self._settings.joint:
            scores = full_precision(critic(torch.cat([fake, real]))).chunk(2)
        else:
            scores = full_precision(critic(fake)), full_precision(critic(real))
        terms = {"critic": self._objective.critic(*scores)}
        if self._objective.penalised:
            terms["penalty"] = self._settings.penalty * gradient_penalty(critic, fake, real, alpha=alpha, gp=self._settings.gp)
        return terms

    def generator_loss(self, critic: nn.Module, fake: Tensor) -> Tensor:
        """The scalar that the generator lowers; ``fake`` carries its gradient."""
        return self._objective.generator(full_precision(critic(fake)))


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
