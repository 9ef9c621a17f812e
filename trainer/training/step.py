"""One training step: several updates of the critic, then one update of the generator.

With the recipe ``deblurgan`` this is the published step. The generator restores the batch once. The critic is updated several
times on this restoration, and then the generator is updated on it. All random numbers of a step are seeded by (seed, step,
process), so a checkpoint does not need the state of a random generator.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.checks import require
from trainer.config import TrainingRecipe
from trainer.losses.adversarial import AdversarialLoss
from trainer.losses.content import ContentLoss, build_content
from trainer.networks.build import channels_last
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.networks.weights import Start, without_starts
from trainer.sections import Adversarial
from trainer.training.distributed import Ranks
from trainer.training.graph import Recorded

#: The losses of one part of a batch: the sum that is minimised, and the terms that are logged, by name.
Losses = tuple[Tensor, dict[str, Tensor]]

_WEIGHTS, _DROPOUT, _ALPHAS = 1, 2, 3  # purposes of the random numbers


class Step:
    """Both networks with their optimisers. A call takes one step and changes ``generator`` and ``critic`` in place.

    ``average``: the generator that is validated and saved. If the recipe sets ``optimizer.ema``, its weights and the statistics
    of its BatchNorm are an exponential moving average over the steps, otherwise it is ``generator`` itself. ``skipped``: the
    number of skipped steps in a row and in all, float32 (2,). An update is skipped if a loss or a gradient is not finite.
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
        self._adversarial = recipe.adversarial or Adversarial(start=recipe.steps)  # without the section it never starts
        self._loss = AdversarialLoss(self._adversarial, gather=ranks.gather).to(device)
        self._loss.constrain(self.critic)
        self._networks = {"generator": self.generator, "critic": self.critic, "average": self.average, "adversarial": self._loss}
        self._optimizers = {"generator": self._adam(self.generator), "critic": self._adam(self.critic)}
        bf16, graph = recipe.precision.bf16, recipe.precision.graph
        self._format = torch.channels_last if recipe.precision.channels_last else torch.contiguous_format
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=not graph)
        self._records, self._phase = graph and device.type == "cuda", (False, False)
        self._compute: Callable[..., dict[str, Tensor]] = self.compute
        self._enter(0, first=True)

    def __call__(self, number: int, blurred: Tensor, sharp: Tensor) -> dict[str, Tensor]:
        """Takes step ``number`` (from 0) on float (B, 3, H, W) in [-1, 1]. Returns mean losses over all processes, by name."""
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"].fill_(self.recipe.rate(number))
        torch.manual_seed(seed_of(self.recipe.seed, _DROPOUT, number, self._ranks.rank))
        blurred, sharp = (images.contiguous(memory_format=self._format) for images in (blurred, sharp))
        self._enter(number)
        with_critic = number >= self._adversarial.start
        losses = self._compute(blurred, sharp, *([self.alphas(number)] if with_critic else []))
        if self.recipe.optimizer.ema:
            decay = min(self.recipe.optimizer.ema, (1 + number) / (10 + number))  # forgets the random initial weights soon
            with torch.no_grad():
                torch._foreach_lerp_(_numbers(self.average), _numbers(self.generator), 1 - decay)
        return losses

    def _enter(self, number: int, *, first: bool = False) -> None:
        """Prepare for step ``number``: a backbone is frozen for the steps that its generator says. A recording of steps with
        other parts is dropped."""
        frozen = number < getattr(self.generator, "freeze", 0)
        phase = number >= self._adversarial.start, frozen
        if first or phase != self._phase:
            self._phase, self._compute = phase, Recorded(self.compute) if self._records else self.compute
            if hasattr(self.generator, "backbone"):
                self.generator.backbone.requires_grad_(not frozen)

    def compute(self, blurred: Tensor, sharp: Tensor, alphas: Tensor | None = None) -> dict[str, Tensor]:
        """Computes the step and returns the losses, in a form that a CUDA graph can record.

        For that, only dropout and DiffAugment draw random numbers, on the device, and the code neither waits for the device nor
        branches on a value.
        ``alphas``: weights in [0, 1] that mix restored and sharp for the penalty, (critic steps, 1 or B, 1, 1, 1). Without them
        the critic takes no part.
        """
        parts = list(zip(blurred.chunk(self.recipe.accumulate), sharp.chunk(self.recipe.accumulate), strict=True))
        statistics = _statistics(self.generator)
        before = [values.clone() for values in statistics]
        single = len(parts) == 1  # several parts are restored again for the generator: memory holds the graph of one part only
        with torch.set_grad_enabled(single):
            restored = [self._restore(part) for part, _ in parts]
        losses: dict[str, Tensor] = {}
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for alpha in () if alphas is None else alphas:
            mixes = alpha.chunk(len(parts)) if len(alpha) > 1 else itertools.repeat(alpha)
            criticised = (self._criticise(one, *part, mix) for one, part, mix in zip(restored, parts, mixes, strict=False))
            finite &= self._update("critic", self.critic, criticised, losses)
            self._loss.constrain(self.critic)
        again = ((restored[0] if single else self._restore(part[0]), part) for part in parts)
        judged = (self.judge(one, *part, adversarial=alphas is not None) for one, part in again)
        finite &= self._update("generator", self.generator, judged, losses)
        self._ranks.average(statistics)
        for values, old in zip(statistics, before, strict=True):
            values.copy_(torch.where(finite, values, old))
        self.skipped[0] = (self.skipped[0] + 1) * ~finite
        self.skipped[1] += ~finite
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Returns all tensors that a step passes on to the next step."""
        networks = {name: network.state_dict() for name, network in self._networks.items()}
        optimizers = {f"{name} adam": optimizer.state_dict()["state"] for name, optimizer in self._optimizers.items()}
        return {**networks, "skipped": self.skipped, **optimizers}

    def require_independent_samples(self) -> None:
        """Raise :class:`UsageError` if what is computed of a sample depends on the others of its process and part of the batch.

        Then a checkpoint is continued only with the same division of the batch.
        """
        relativistic = self.recipe.adversarial is not None and self._loss.relative
        reasons = ["BatchNorm in the generator takes mean and variance of"] if _statistics(self.generator) else []
        reasons += ["the relativistic objective compares scores with the mean of"] if relativistic else []
        for reason in reasons:
            raise UsageError(
                f"{reason} the pairs that are computed together, so another number of processes or parts of the batch computes "
                "something else; use those of the checkpoint, or start again with --resume never"
            )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state_dict` returned. Raises :class:`BlurkitError` for a state of other networks, and
        :class:`UsageError` for one that was trained with another penalty."""
        # without this key it is older than the mean in the penalty "sample"; its critic has moments if adversarial training began
        old = "adversarial" not in state and self.recipe.adversarial is not None and self.recipe.adversarial.gp == "sample"
        problem = (
            'the critic of this checkpoint was trained with an older penalty under the name adversarial.gp = "sample", on the '
        )
        problem += (
            "sum of the scores of a sample, and now it is on their mean; choose another --out, or start again with --resume never"
        )
        require(not (old and state.get("critic adam")), problem)
        try:
            for name, network in self._networks.items():
                network.load_state_dict(state.get(name, {}) if name == "adversarial" else state[name])  # {}: of older checkpoints
            self.skipped.copy_(state["skipped"])
            for name, optimizer in self._optimizers.items():
                moments = state[f"{name} adam"]
                _require_moments(optimizer, moments)
                optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise BlurkitError(
                f"the checkpoint does not hold the state of these networks ({type(error).__name__}: {reason}); "
                "start again with --resume never"
            ) from error

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        """Fused Adam. Only the fused version reads ``found_inf`` on the device, so no step waits for the device."""
        on_gpu = self.device.type == "cuda"
        rate = torch.zeros((), dtype=torch.float32 if on_gpu else torch.float64, device=self.device)
        return torch.optim.Adam(network.parameters(), lr=rate, betas=self.recipe.optimizer.betas, fused=True, capturable=on_gpu)

    def alphas(self, number: int) -> Tensor:
        """The ``alphas`` of a step: one per batch as in the published code, or one per sample as in the paper."""
        random = torch.Generator().manual_seed(seed_of(self.recipe.seed, _ALPHAS, number))
        per_sample = self._adversarial.gp == "sample"
        count = self.recipe.batch * self._ranks.world if per_sample else 1
        alphas = torch.rand((self._adversarial.critic_steps, count, 1, 1, 1), generator=random)
        if per_sample:  # drawn for the samples of all processes
            alphas = alphas.chunk(self._ranks.world, dim=1)[self._ranks.rank]
        # a copy from pinned memory does not make the host wait for the device
        return alphas.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else alphas.to(self.device)

    def _restore(self, blurred: Tensor) -> Tensor:
        with self._autocast:
            return self.generator(blurred)

    def _score(self, blurred: Tensor, images: Tensor) -> tuple[Tensor, ...]:
        """The scores of restored or sharp photographs, or of both behind one another."""
        return self.critic(images, blurred if len(images) == len(blurred) else torch.cat([blurred, blurred]))

    def _criticise(self, restored: Tensor, blurred: Tensor, sharp: Tensor, alpha: Tensor) -> Losses:
        score = functools.partial(self._score, blurred)
        with self._autocast:
            terms = self._loss.critic_loss(score, restored, sharp, alpha)
        return torch.stack(list(terms.values())).sum(), terms

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss of the generator by name."""
        return {**self._content.weights, "adversarial": self._adversarial.weight}

    def judge(self, restored: Tensor, blurred: Tensor, sharp: Tensor, *, adversarial: bool) -> Losses:
        """Returns the weighted sum of the losses of the generator, and each of them by name without its weight. All images are
        float (B, 3, H, W) in [-1, 1]."""
        with self._autocast:
            terms = self._content(restored, sharp)
            if adversarial:
                terms["adversarial"] = self._loss.generator_loss(functools.partial(self._score, blurred), restored, sharp)
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum(), terms

    def _update(self, name: str, network: nn.Module, parts: Iterator[Losses], logged: dict[str, Tensor]) -> Tensor:
        """Update a network by the mean gradient over parts and processes, if it is finite. Returns whether it is finite.

        A network that is frozen as a whole has no losses of its own.
        """
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer, rows = self._optimizers[name], []
        optimizer.zero_grad()
        if not parameters:
            return torch.ones((), dtype=torch.bool, device=self.device)
        for total, terms in parts:
            torch.autograd.backward(total / self.recipe.accumulate, inputs=parameters)
            rows.append(torch.stack([total, *terms.values()]).detach() / self.recipe.accumulate)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        means = torch.stack(rows).sum(0)
        self._ranks.average([*gradients, means])
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = (norm + means[0]).isfinite()
        if self.recipe.optimizer.clip:
            torch._foreach_mul_(gradients, (self.recipe.optimizer.clip / norm).clamp(max=1))
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]  # as a GradScaler sets it
        optimizer.step()
        logged |= dict(zip(terms, means[1:], strict=True))
        return finite


def _require_moments(optimizer: torch.optim.Adam, moments: dict[int, dict[str, Tensor]]) -> None:
    """Raise :class:`ValueError` if ``moments`` do not fit the optimiser's parameters. Torch does not check this.

    Parameters that were not trained so far have none: those of a backbone that is still frozen, for example.
    """
    shapes = dict(enumerate(parameter.shape for group in optimizer.param_groups for parameter in group["params"]))
    given = {place: {values[key].shape for key in ("exp_avg", "exp_avg_sq")} for place, values in moments.items()}
    if any({shapes.get(place)} != found for place, found in given.items()):
        raise ValueError("the moments of Adam have other shapes than the weights")


def _numbers(network: nn.Module) -> list[Tensor]:
    """Parameters and statistics. Counts of batches, which no layer uses, are left out."""
    return [tensor for tensor in itertools.chain(network.parameters(), network.buffers()) if tensor.is_floating_point()]


def _statistics(network: nn.Module) -> list[Tensor]:
    """The statistics of BatchNorm that a step changes."""
    norms = (module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.training)
    return [values for norm in norms for values in (norm.running_mean, norm.running_var) if values is not None]


def build_step(recipe: TrainingRecipe, device: torch.device, ranks: Ranks, start: Start | None = None) -> Step:
    """Returns a step with the networks of a recipe. The seed decides the initial weights, except those of the generator if
    ``start`` has them. Raises :class:`UsageError`."""
    torch.backends.cudnn.benchmark = device.type == "cuda"  # all crops have one size, so the fastest algorithm is worth a search
    torch.manual_seed(seed_of(recipe.seed, _WEIGHTS))
    generator = build_generator(recipe.generator if start is None else without_starts(recipe.generator))
    critic = build_critic(recipe.critic)
    if start is not None:
        start.fill(generator)
    content = build_content(recipe.content)
    if recipe.precision.channels_last:
        for network in (generator, critic, content):
            channels_last(network)
    if recipe.precision.compile:
        for network in (generator, *content.networks):  # the critic needs a second derivative, so it is not compiled
            network.compile()
    return Step(recipe, generator, critic, content, device, ranks)


def seed_of(*words: int) -> int:
    """Returns a seed for torch that depends on all words."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest()) >> 1
