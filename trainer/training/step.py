"""One step of training: the critic several times, then the generator once.

At the recipe ``deblurgan`` it is the published step: the generator runs forward once; the critic is updated on that restoration
as often as asked for, then the generator on the same one. Whatever is drawn in a step is keyed by (seed, step, process), so that
nothing of it need be kept to go on from there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import TrainingRecipe
from trainer.losses.adversarial import AdversarialLoss
from trainer.losses.content import ContentLoss, build_content
from trainer.networks.build import channels_last
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.training.distributed import Ranks
from trainer.training.ema import Average
from trainer.training.schedule import factor

#: Losses of one part of a batch: what is minimised, and what is logged of it, by name.
Losses = tuple[Tensor, dict[str, Tensor]]

_WEIGHTS, _DROPOUT, _ALPHAS = 1, 2, 3  # purposes of random numbers


class Step:
    """Both networks, their optimisers, and what makes them better.

    ``generator`` and ``critic`` are trained in place; ``average.network`` is the generator to be used. ``skipped`` holds how many
    steps in a row, and how many in all, had a loss or a gradient that is no number; such an update does not take place.
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
        self.average = Average(self.generator, recipe.optimizer.ema)
        self.skipped = torch.zeros(2, device=device)
        self._objective = AdversarialLoss(recipe.adversarial) if recipe.adversarial else None
        self._optimizers = {"generator": self._adam(self.generator), "critic": self._adam(self.critic)}
        self._format = torch.channels_last if recipe.precision.channels_last else torch.contiguous_format
        self._compute: Callable[..., dict[str, Tensor]] = self.compute
        if recipe.precision.graph and device.type == "cuda":
            from trainer.training.graph import Recorded

            self._compute = Recorded(self.compute)

    def __call__(self, number: int, blurred: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """Take step ``number``, counted from 0, on float (B, 3, H, W) in [-1, 1]; returns the losses by name, means over all."""
        recipe, adversarial = self.recipe, self.recipe.adversarial
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"].fill_(recipe.optimizer.rate * factor(recipe.schedule, number, recipe.steps))
        torch.manual_seed(keyed(recipe.seed, _DROPOUT, number, self._ranks.rank))
        alphas = self._alphas(number) if adversarial and number >= adversarial.start else None
        losses = self._compute(
            blurred.contiguous(memory_format=self._format), sharp.contiguous(memory_format=self._format), alphas
        )
        self.average.update(number)
        return losses

    def compute(self, blurred: Tensor, sharp: Tensor, alphas: Tensor | None) -> dict[str, Tensor]:
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
        networks = {"generator": self.generator, "critic": self.critic, "average": self.average.network}
        states = {name: network.state_dict() for name, network in networks.items()}
        return states | {
            "skipped": self.skipped,
            **{f"{name} adam": o.state_dict()["state"] for name, o in self._optimizers.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        self.average.network.load_state_dict(state["average"])
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
        adversarial = self.recipe.adversarial
        assert adversarial is not None
        batch, world = self.recipe.batch, self._ranks.world
        samples = batch * world if adversarial.gp == "sample" else 1
        random = torch.Generator().manual_seed(keyed(self.recipe.seed, _ALPHAS, number))
        alphas = torch.rand((adversarial.critic_steps, samples, 1, 1, 1), generator=random)
        mine = slice(self._ranks.rank * batch, (self._ranks.rank + 1) * batch) if samples > 1 else slice(None)
        return alphas[:, mine].to(self.device)

    def _autocast(self) -> torch.autocast:
        precision = self.recipe.precision
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision.bf16, cache_enabled=not precision.graph)

    def _restore(self, blurred: Tensor) -> Tensor:
        with self._autocast():
            restored: Tensor = self.generator(blurred)
        return restored

    def _criticise(self, restored: Tensor, sharp: Tensor, alpha: Tensor) -> Losses:
        assert self._objective is not None
        with self._autocast():
            terms = self._objective.critic_loss(self.critic, restored, sharp, alpha=alpha)
        return torch.stack(list(terms.values())).sum(), terms

    def _judge(self, restored: Tensor, sharp: Tensor, *, adversarial: bool) -> Losses:
        with self._autocast():
            terms = self._content(restored, sharp)
            weights = dict(self._content.weights)
            if adversarial:
                assert self._objective is not None
                assert self.recipe.adversarial is not None
                terms["adversarial"] = self._objective.generator_loss(self.critic, restored)
                weights["adversarial"] = self.recipe.adversarial.weight
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
    generator, critic = build_generator(recipe.generator_spec), build_critic(recipe.critic_spec)
    content = build_content(recipe.content.terms, vgg_weights=recipe.content.vgg_weights)
    if recipe.precision.channels_last:
        generator, critic, content = channels_last(generator), channels_last(critic), channels_last(content)
    if recipe.precision.compile:
        for network in filter(None, (generator, content.features)):  # not the critic: compiled code has no second derivative
            network.compile()
    return Step(recipe, generator, critic, content, device, ranks)


def keyed(*words: int) -> int:
    """A seed for torch that depends on all of these words."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest()) >> 1
