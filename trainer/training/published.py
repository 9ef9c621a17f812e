"""The published training step in plain code. Tests and `trainer bench` compare our step with it.

Source: KupynOrest/DeblurGAN at a6f4ad0 (2018), with its order of operations and its losses. The networks are passed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Published:
    """Both networks and their optimisers. ``features``: the network of the perceptual loss. ``critic``: returns one
    map of scores. ``losses``: of the last step."""

    def __init__(self, generator: nn.Module, critic: nn.Module, features: nn.Module) -> None:
        self.generator, self.critic, self.features = generator, critic, features
        self.generator_adam = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.5, 0.999))
        self.critic_adam = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.999))
        self.losses: dict[str, Tensor] = {}

    def step(self, blurred: Tensor, sharp: Tensor, alphas: Sequence[Tensor]) -> None:
        """Take one step. ``alphas``: the numbers that the published code draws, one per critic step."""
        fake = self.generator(blurred)
        for alpha in alphas:
            self.critic_adam.zero_grad()
            difference = self.critic(fake.detach()).mean() - self.critic(sharp).mean()
            penalty = self.penalty(fake, sharp, alpha)
            (difference + penalty).backward(retain_graph=True)
            self.critic_adam.step()
        self.generator_adam.zero_grad()
        adversarial = -self.critic(fake).mean()
        perceptual = nn.functional.mse_loss(self.features(fake), self.features(sharp).detach())
        (adversarial + 100 * perceptual).backward()
        self.generator_adam.step()
        self.losses = {"critic": difference, "penalty": penalty, "adversarial": adversarial, "perceptual": perceptual}

    def penalty(self, fake: Tensor, sharp: Tensor, alpha: Tensor) -> Tensor:
        """Returns the gradient penalty. The norm of the critic's gradient is over the channels of each pixel."""
        between = (alpha * sharp.detach() + (1 - alpha) * fake.detach()).requires_grad_(True)
        scores = self.critic(between)
        ones = torch.ones_like(scores)
        gradient = torch.autograd.grad(scores, between, ones, create_graph=True, retain_graph=True, only_inputs=True)[0]
        return ((gradient.norm(2, dim=1) - 1) ** 2).mean() * 10
