"""``trainer bench``: what is promised about speed, as ratios measured in one run, each figure beside its limit."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from blurkit.errors import OK, UsageError, nearest
from trainer import vgg
from trainer.bench import loader_ratio
from trainer.config import Precision, Recipe, load_recipe
from trainer.content import Content
from trainer.critics import build_critic
from trainer.distributed import Ranks
from trainer.generators import build_generator
from trainer.published import Published
from trainer.step import Step

#: Repetitions of which the fastest counts.
REPEATS = 3


@dataclass(frozen=True)
class Figure:
    """A claim, what was measured, and the limit: a most where ``at_most``, else a least."""

    claim: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the measured value is on the right side of the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        """The figure as a line of text."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.limit:g}"
        return f"{self.claim:<66} {self.value:7.3g} x   {bound:<13} {'' if self.holds else 'MISSED'}".rstrip()


def bench(sections: tuple[str, ...], *, as_json: bool) -> int:
    """Measure the named sections, or all. Returns 0 whatever the figures: a limit missed is to be read, not to fail a build."""
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise UsageError(f"unknown section {unknown[0]!r}: it is none of {', '.join(SECTIONS)}{nearest(unknown[0], SECTIONS)}")
    figures = []
    for name in sections or SECTIONS:
        for figure in SECTIONS[name]():
            figures.append(figure)
            if not as_json:
                print(figure.line(), flush=True)
    if as_json:
        print(json.dumps([{**vars(figure), "holds": figure.holds} for figure in figures]))
    return OK


def _step() -> Iterator[Figure]:
    """One step of the recipe ``deblurgan`` on the CPU, of one pair of 256x256, against the published one; VGG is a random one."""
    device = torch.device("cpu")
    blurred, sharp = torch.rand((2, 1, 3, 256, 256)) * 2 - 1
    alphas = list(torch.rand(5, 1, 1, 1, 1))
    recipe = load_recipe("deblurgan")

    def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
        return build_generator(recipe.generator_spec), build_critic(recipe.critic_spec), vgg.layers().requires_grad_(False)

    actions: list[Callable[[], object]] = [functools.partial(Published(*networks()).step, blurred, sharp, alphas)]
    for ours in _ways(recipe):
        generator, critic, features = networks()
        step = Step(ours, generator, critic, Content(ours.content.terms, features), device, Ranks())
        actions.append(functools.partial(step, 0, blurred, sharp))
    seconds = fastest(actions)
    yield Figure("a step at parity over the published one, written plainly", seconds[1] / seconds[0], 1.05, at_most=True)
    if len(seconds) > 2:
        yield Figure("a step in bf16 over the published one", seconds[2] / seconds[0], 0.75, at_most=True)


def _ways(recipe: Recipe) -> list[Recipe]:
    """At parity; and, where the processor computes in bf16, with that and one call of the critic for restored and sharp."""
    information = Path("/proc/cpuinfo")
    flags = information.read_text() if information.exists() else ""
    if "avx512_bf16" not in flags and "amx_bf16" not in flags:
        return [recipe]
    assert recipe.adversarial is not None
    return [recipe, replace(recipe, precision=Precision(bf16=True), adversarial=replace(recipe.adversarial, joint=True))]


def fastest(actions: list[Callable[[], object]]) -> list[float]:
    """The shortest time in seconds of each action, done in turn so that a slow spell of the machine meets all of them."""
    best = [float("inf")] * len(actions)
    for repeat in range(1 + REPEATS):
        for place, action in enumerate(actions):
            begin = time.perf_counter()
            action()
            if repeat:  # the first prepares
                best[place] = min(best[place], time.perf_counter() - begin)
    return best


def _loader() -> Iterator[Figure]:
    yield Figure("pairs/s of 256x256 into torch over DataLoader on gzipped HDF5", loader_ratio(), 40)


SECTIONS: dict[str, Callable[[], Iterator[Figure]]] = {"step": _step, "loader": _loader}
