"""The published training step, written plainly: what tests hold ours against, and what `trainer bench` measures against.

KupynOrest/DeblurGAN at a6f4ad0 (2018): its order of operations, its losses, torch's own modules, one function after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block of 256 channels, with dropout of this rate."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        first = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(True), nn.Dropout(dropout)]
        self.conv_block = nn.Sequential(*first, nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        out: Tensor = features + self.conv_block(features)
        return out


class Generator(nn.Module):
    """Float (B, 3, H, W) in [-1, 1] -> the same."""

    def __init__(self, width: int = 64, blocks: int = 9, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
        for n in (width, 2 * width):
            layers += [nn.Conv2d(n, 2 * n, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * n), nn.ReLU(True)]
        layers += [Block(4 * width, dropout) for _ in range(blocks)]
        for n in (4 * width, 2 * width):
            up = nn.ConvTranspose2d(n, n // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, nn.InstanceNorm2d(n // 2), nn.ReLU(True)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, blurred: Tensor) -> Tensor:
        """The restored photographs."""
        return torch.clamp(blurred + self.model(blurred), min=-1, max=1)


class Critic(nn.Module):
    """Float (B, 3, H, W) in [-1, 1] -> scores (B, 1, h, w)."""

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2, True)]
        before = 1
        for n in range(1, layers + 1):
            times = min(2**n, 8)
            conv = nn.Conv2d(width * before, width * times, 4, stride=2 if n < layers else 1, padding=2)
            modules += [conv, nn.InstanceNorm2d(width * times), nn.LeakyReLU(0.2, True)]
            before = times
        self.model = nn.Sequential(*modules, nn.Conv2d(width * before, 1, 4, padding=2))

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.model(images)
        return scores


class Published:
    """Both networks, ``features`` for the perceptual loss, and both optimisers. ``losses`` are those of the newest step."""

    def __init__(self, generator: nn.Module, critic: nn.Module, features: nn.Module) -> None:
        self.generator, self.critic, self.features = generator, critic, features
        self.generator_adam = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.5, 0.999))
        self.critic_adam = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.999))
        self.losses: dict[str, Tensor] = {}

    def step(self, blurred: Tensor, sharp: Tensor, alphas: Sequence[Tensor]) -> None:
        """One step; ``alphas`` are the numbers that the published code draws, one for each critic step."""
        fake = self.generator(blurred)
        for alpha in alphas:
            self.critic_adam.zero_grad()
            opinion = self.critic(fake.detach()).mean() - self.critic(sharp).mean()
            penalty = self.penalty(fake, sharp, alpha)
            (opinion + penalty).backward(retain_graph=True)
            self.critic_adam.step()
        self.generator_adam.zero_grad()
        adversarial = -self.critic(fake).mean()
        perceptual = nn.functional.mse_loss(self.features(fake), self.features(sharp).detach())
        (adversarial + 100 * perceptual).backward()
        self.generator_adam.step()
        self.losses = {"critic": opinion, "penalty": penalty, "adversarial": adversarial, "perceptual": perceptual}

    def penalty(self, fake: Tensor, sharp: Tensor, alpha: Tensor) -> Tensor:
        """Of the norm over channels of the critic's slope at each pixel."""
        between = (alpha * sharp.detach() + (1 - alpha) * fake.detach()).requires_grad_(True)
        scores = self.critic(between)
        ones = torch.ones_like(scores)
        slope = torch.autograd.grad(scores, between, ones, create_graph=True, retain_graph=True, only_inputs=True)[0]
        return ((slope.norm(2, dim=1) - 1) ** 2).mean() * 10
