"""The adversarial losses of the critic and of the generator, computed from the scores of restored and sharp photographs.

Sources: "gan" Goodfellow et al. 2014, with the loss of the generator that does not saturate; "lsgan" Mao et al. 2017; "wgan"
Arjovsky et al. 2017; "wgan-gp" Gulrajani et al. 2017, with their penalty or that of the code of DeblurGAN (2018); "ragan" and
"ragan-ls" Jolicoeur-Martineau 2019. The losses of two terms are halved, as in the code of DeblurGAN and DeblurGAN-v2.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.losses.diffaugment import diffaugment
from trainer.networks.build import full_precision
from trainer.sections import Adversarial

#: A critic, as a function of photographs. It returns one or several maps of scores, whose losses are averaged.
Score: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]

#: The most maps of a critic: queues are made for so many, because a checkpoint needs their number before the first step.
MOST_MAPS = 4


class Objective(NamedTuple):
    """Two losses, each a scalar of (scores of restored, scores of sharp). ``relative``: whether they take scores relative to the
    mean score of the other kind."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    relative: bool = False


def cross_entropy(low: Tensor, high: Tensor) -> Tensor:
    """Returns half the sum of the mean binary cross entropies of logits, with the target 0 for ``low`` and 1 for ``high``."""
    return (F.softplus(low).mean() + F.softplus(-high).mean()) / 2


def least_squares(low: Tensor, high: Tensor, *, least: float = 0.0) -> Tensor:
    """Returns half the sum of the mean squared distances of ``low`` from ``least`` and of ``high`` from 1."""
    return ((low - least).square().mean() + (high - 1).square().mean()) / 2


def difference(low: Tensor, high: Tensor) -> Tensor:
    """Returns the mean of ``low`` minus the mean of ``high``."""
    return low.mean() - high.mean()


def _swapped(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda fake, real: loss(real, fake)


_RELATIVE_SQUARES = functools.partial(least_squares, least=-1.0)
_WASSERSTEIN = Objective(difference, lambda fake, _: -fake.mean())
OBJECTIVES = {
    "gan": Objective(cross_entropy, lambda fake, _: F.softplus(-fake).mean()),
    "lsgan": Objective(least_squares, lambda fake, _: (fake - 1).square().mean()),
    "wgan": _WASSERSTEIN,
    "wgan-gp": _WASSERSTEIN,
    "ragan": Objective(cross_entropy, _swapped(cross_entropy), relative=True),
    "ragan-ls": Objective(_RELATIVE_SQUARES, _swapped(_RELATIVE_SQUARES), relative=True),
}


class AdversarialLoss(nn.Module):
    """The losses of the recipe section ``adversarial``. If the critic returns several maps, each loss is the mean over the maps.

    ``gather``: joins the rows of a float (B, ...) tensor of all processes, so that each has the same queues. With a queue, the
    buffer ``pools`` holds the newest mean scores of samples, float32 (MOST_MAPS, 2, queue), restored first and the newest last.
    Their mean is the mean of the queue of score maps in the code of DeblurGAN-v2. NaN stands for no score yet; while a queue is
    empty, for example because the critic is frozen, the mean of the batch counts, without its gradient.
    """

    def __init__(self, settings: Adversarial, *, gather: Callable[[Tensor], Tensor] = lambda rows: rows) -> None:
        super().__init__()
        self.settings, self._objective, self._gather = settings, OBJECTIVES[settings.objective], gather
        self.pools: Tensor | None
        queued = self._objective.relative and settings.queue > 0
        self.register_buffer("pools", torch.full((MOST_MAPS, 2, settings.queue), math.nan) if queued else None)

    @property
    def relative(self) -> bool:
        """Whether the loss of a sample depends on the scores of others."""
        return self._objective.relative

    def critic_loss(self, score: Score, fake: Tensor, real: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        """Returns the scalars whose sum the critic minimises: "critic", and with "wgan-gp" also "penalty", weighted.

        ``fake``, ``real``: restored and sharp photographs, float (B, 3, H, W) in [-1, 1]. No gradient reaches the generator.
        ``alpha``: the weight of ``real`` in the mixture with ``fake`` at which the penalty is taken, uniform in [0, 1), (1, 1, 1,
        1) or (B, 1, 1, 1). The queues take in the scores first, if they are finite.
        """
        fake, real = (diffaugment(images, self.settings.diffaugment) for images in (fake.detach(), real))
        if self.settings.joint:
            pairs = [tuple(scores.chunk(2)) for scores in score_maps(score, torch.cat([fake, real]))]
        else:
            pairs = list(zip(score_maps(score, fake), score_maps(score, real), strict=True))
        if self.pools is not None:
            self._enqueue(self.pools[: len(pairs)], pairs)
        losses = {"critic": self._mean(self._objective.critic, pairs)}
        if self.settings.objective == "wgan-gp":
            losses["penalty"] = self.settings.penalty * gradient_penalty(score, fake, real, alpha=alpha, gp=self.settings.gp)
        return losses

    def generator_loss(self, score: Score, fake: Tensor, real: Tensor) -> Tensor:
        """Returns the scalar that the generator minimises. ``fake``: restored photographs, with their gradient."""
        fake = diffaugment(fake, self.settings.diffaugment)
        restored = score_maps(score, fake.detach() if self.settings.detach_augmented else fake)
        sharp = restored  # only relativistic objectives need the scores of sharp photographs
        if self._objective.relative:
            with torch.no_grad():
                sharp = score_maps(score, diffaugment(real, self.settings.diffaugment))
        return self._mean(self._objective.generator, list(zip(restored, sharp, strict=True)))

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        """Clip the weights of the critic of "wgan" in place: before the first step, and after each step of the critic. Frozen
        weights stay as they are."""
        if self.settings.objective == "wgan":
            for parameter in critic.parameters():
                if parameter.requires_grad:
                    parameter.clamp_(-self.settings.clip, self.settings.clip)

    def _mean(self, loss: Callable[[Tensor, Tensor], Tensor], pairs: Iterable[tuple[Tensor, ...]]) -> Tensor:
        return torch.stack([loss(*self._relative(number, *pair)) for number, pair in enumerate(pairs)]).mean()

    def _relative(self, number: int, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of a map, minus the mean of the other kind if the objective is relativistic."""
        if not self._objective.relative:
            return fake, real
        means = torch.stack((fake.mean(), real.mean()))
        if self.settings.detach_mean or self.pools is not None:
            means = means.detach()
        if self.pools is not None:
            queued = self.pools[number].nanmean(dim=1).to(means)
            means = torch.where(queued.isnan(), means, queued)
        return fake - means[1], real - means[0]

    @torch.no_grad()
    def _enqueue(self, pools: Tensor, pairs: list[tuple[Tensor, ...]]) -> None:
        """Add the mean score of each sample. In place and without a branch on a value, as a recorded step needs it."""
        means = torch.stack([torch.stack([mean_scores(scores) for scores in pair], dim=1) for pair in pairs], dim=1)
        rows = self._gather(means).movedim(0, -1).to(pools)  # (maps, 2, B)
        moved = torch.cat([pools, rows], dim=-1)[..., -pools.shape[-1] :]
        pools.copy_(torch.where(rows.isfinite().all(), moved, pools))


def gradient_penalty(score: Score, fake: Tensor, real: Tensor, *, alpha: Tensor, gp: str) -> Tensor:
    """Returns the mean of (|gradient| - 1)^2 of the critic at ``alpha real + (1 - alpha) fake``, never in half precision.

    ``gp``: "pixel" takes the gradient of the sum of all scores and its norm at each pixel, as the published code does. "sample"
    takes the gradient of the mean score of each sample and its norm over the sample: the losses use means, and the slope of a sum
    is larger by the number of patches. The critic must not be compiled by torch: compiled code has no second derivative.
    """
    with torch.autocast(real.device.type, enabled=False):
        fake, real, alpha = full_precision(fake.detach()), full_precision(real.detach()), full_precision(alpha)
        between = (alpha * real + (1 - alpha) * fake).requires_grad_()
        penalties = []
        for scores in score_maps(score, between):
            total = mean_scores(scores).sum() if gp == "sample" else scores.sum()
            (gradient,) = torch.autograd.grad(total, between, create_graph=True)
            if gp == "sample":
                gradient = gradient.flatten(1)
            # in torch the derivative of a norm at zero is zero, so a constant critic needs no epsilon
            penalties.append((torch.linalg.vector_norm(gradient, dim=1) - 1).square().mean())
        return torch.stack(penalties).mean()


def score_maps(score: Score, photographs: Tensor) -> tuple[Tensor, ...]:
    """Returns the maps of scores of a critic, at least in single precision."""
    return tuple(map(full_precision, score(photographs)))


def mean_scores(scores: Tensor) -> Tensor:
    """Returns the mean score of each sample, (B,), of a map (B, ...)."""
    return scores.reshape(len(scores), -1).mean(1)
