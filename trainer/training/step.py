"""One step of training: the critic several times, then the generator once.

At the recipe ``deblurgan`` it is the published step: the generator runs forward once; the critic is updated on that restoration
as often as asked for, then the generator on the same one. Whatever is drawn in a step is keyed by (seed, step, process), so that
nothing of it need be kept to go on from there.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import Adversarial, TrainingRecipe
from trainer.losses.adversarial import critic_loss, generator_loss
from trainer.losses.content import ContentLoss, build_content
from trainer.networks.build import channels_last
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.training.distributed import Ranks
from trainer.training.graph import Recorded

#: Losses of one part of a batch: what is minimised, and what is logged of it, by name.
Losses = tuple[Tensor, dict[str, Tensor]]

_WEIGHTS, _DROPOUT, _ALPHAS = 1, 2, 3  # purposes of random numbers


class Step:
    """Both networks, their optimisers, and what makes them better.

    ``generator`` and ``critic`` are trained in place. ``average`` is the generator that is validated and kept: where the recipe
    sets ``optimizer.ema`` its weights are an average over the steps, otherwise it is ``generator`` itself. ``skipped`` holds how
    many steps in a row, and how many in all, had a loss or a gradient that is no number; such an update does not take place.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        generator: nn.Module,
        critic: nn.Module,
        content: ContentLoss,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.recipe, self.device, self._ranks = recipe, device, ranks
        self.generator, self.critic, self._content = generator.to(device).train(), critic.to(device).train(), content.to(device)
        self.average = self.generator
        if recipe.optimizer.ema:
            self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.skipped = torch.zeros(2, device=device)
        self._networks = {"generator": self.generator, "critic": self.critic, "average": self.average}
        self._optimizers = {"generator": self._adam(self.generator), "critic": self._adam(self.critic)}
        self._adversarial = recipe.adversarial or Adversarial(start=recipe.steps)  # without the section it never begins
        half, graph = recipe.precision.bf16, recipe.precision.graph
        self._format = torch.channels_last if recipe.precision.channels_last else torch.contiguous_format
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=not graph)
        recorded = graph and device.type == "cuda"
        self._with_critic, self._without_critic = (Recorded(self.compute) if recorded else self.compute for _ in range(2))

    def __call__(self, number: int, blurred: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """Take step ``number``, counted from 0, on float (B, 3, H, W) in [-1, 1]; returns the losses by name, means over all."""
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"].fill_(self.recipe.rate(number))
        torch.manual_seed(keyed(self.recipe.seed, _DROPOUT, number, self._ranks.rank))
        blurred, sharp = (images.contiguous(memory_format=self._format) for images in (blurred, sharp))
        if number >= self._adversarial.start:
            losses = self._with_critic(blurred, sharp, self._alphas(number))
        else:
            losses = self._without_critic(blurred, sharp)
        if self.recipe.optimizer.ema:
            decay = min(self.recipe.optimizer.ema, (1 + number) / (10 + number))  # the first, random weights are soon forgotten
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)
        return losses

    def compute(self, blurred: Tensor, sharp: Tensor, alphas: Tensor | None = None) -> dict[str, Tensor]:
        """The step itself: nothing here draws but dropout, waits for the device, or branches on a value.

        ``alphas`` (critic steps, 1 or B, 1, 1, 1) in [0, 1] mix restored and sharp for the penalty; None leaves the critic out.
        """
        parts = list(zip(blurred.chunk(self.recipe.accumulate), sharp.chunk(self.recipe.accumulate), strict=True))
        whole = len(parts) == 1  # otherwise restored anew for the generator's update: only one part's graph fits the memory
        with torch.set_grad_enabled(whole):
            restored = [self._restore(part) for part, _ in parts]
        losses: dict[str, Tensor] = {}
        good = torch.ones((), dtype=torch.bool, device=self.device)
        for alpha in () if alphas is None else alphas:
            mixes = alpha.chunk(len(parts)) if len(alpha) > 1 else itertools.repeat(alpha)
            trios = zip(restored, (sharp for _, sharp in parts), mixes, strict=False)
            good &= self._update("critic", self.critic, (self._criticise(*trio) for trio in trios), losses)
        pairs = ((restored[0] if whole else self._restore(part), sharp) for part, sharp in parts)
        judged = (self._judge(*pair, adversarial=alphas is not None) for pair in pairs)
        good &= self._update("generator", self.generator, judged, losses)
        self.skipped[0] = (self.skipped[0] + 1) * ~good
        self.skipped[1] += ~good
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Everything that goes on from step to step."""
        networks = {name: network.state_dict() for name, network in self._networks.items()}
        optimizers = {f"{name} adam": optimizer.state_dict()["state"] for name, optimizer in self._optimizers.items()}
        return {**networks, "skipped": self.skipped, **optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, network in self._networks.items():
            network.load_state_dict(state[name])
        self.skipped.copy_(state["skipped"])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state[f"{name} adam"]})

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        """Fused: it alone looks at ``found_inf`` on the device, so that no step waits to learn whether it counts."""
        on_gpu = self.device.type == "cuda"
        rate = torch.zeros((), dtype=torch.float32 if on_gpu else torch.float64, device=self.device)
        return torch.optim.Adam(network.parameters(), lr=rate, betas=self.recipe.optimizer.betas, fused=True, capturable=on_gpu)

    def _alphas(self, number: int) -> Tensor:
        """One for the batch as in the published code, or one for each sample of all processes as in the paper's."""
        random = torch.Generator().manual_seed(keyed(self.recipe.seed, _ALPHAS, number))
        one = self._adversarial.gp == "pixel"
        samples = 1 if one else self.recipe.batch * self._ranks.world
        alphas = torch.rand((self._adversarial.critic_steps, samples, 1, 1, 1), generator=random)
        return (alphas if one else alphas.chunk(self._ranks.world, dim=1)[self._ranks.rank]).to(self.device)

    def _restore(self, blurred: Tensor) -> Tensor:
        with self._autocast:
            return self.generator(blurred)

    def _criticise(self, restored: Tensor, sharp: Tensor, alpha: Tensor) -> Losses:
        with self._autocast:
            terms = critic_loss(self._adversarial, self.critic, restored, sharp, alpha=alpha)
        return torch.stack(list(terms.values())).sum(), terms

    def _judge(self, restored: Tensor, sharp: Tensor, *, adversarial: bool) -> Losses:
        weights = {**self._content.weights, "adversarial": self._adversarial.weight}
        with self._autocast:
            terms = self._content(restored, sharp)
            if adversarial:
                terms["adversarial"] = generator_loss(self.critic, restored)
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum(), terms

    def _update(self, name: str, network: nn.Module, parts: Iterator[Losses], logged: dict[str, Tensor]) -> Tensor:
        """One update of a network by the mean over parts and processes, unless it is no number; whether it took place."""
        parameters, optimizer, logged_here = list(network.parameters()), self._optimizers[name], []
        optimizer.zero_grad()
        for total, terms in parts:
            torch.autograd.backward(total / self.recipe.accumulate, inputs=parameters)
            logged_here.append(torch.stack([total, *terms.values()]).detach() / self.recipe.accumulate)
        found = [parameter.grad for parameter in parameters if parameter.grad is not None]
        means = torch.stack(logged_here).sum(0)
        self._ranks.average([*found, means])
        norm = torch.nn.utils.get_total_norm(found)
        good = (norm + means[0]).isfinite()
        if self.recipe.optimizer.clip:
            torch._foreach_mul_(found, (self.recipe.optimizer.clip / norm).clamp(max=1))
        optimizer.found_inf = (~good).float()  # type: ignore[attr-defined]  # what a GradScaler would set
        optimizer.step()
        logged |= dict(zip(terms, means[1:], strict=True))
        return good


def build_step(recipe: TrainingRecipe, device: torch.device, ranks: Ranks) -> Step:
    """The networks of a recipe with weights drawn from its seed, ready to train. Raises :class:`UsageError`."""
    torch.manual_seed(keyed(recipe.seed, _WEIGHTS))
    generator, critic = build_generator(recipe.generator.spec), build_critic(recipe.critic.spec)
    content = build_content(recipe.content)
    if recipe.precision.channels_last:
        for network in (generator, critic, content):
            channels_last(network)
    if recipe.precision.compile:
        for network in filter(None, (generator, content.features)):  # not the critic: compiled code has no second derivative
            network.compile()
    return Step(recipe, generator, critic, content, device, ranks)


def keyed(*words: int) -> int:
    """A seed for torch that depends on all of these words."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest()) >> 1
