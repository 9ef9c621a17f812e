"""``trainer bench``: what is promised about speed, as ratios measured in one run, each figure beside its limit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from blurkit.figures import Figure, measure, times
from trainer import vgg
from trainer.bench import loader_rates
from trainer.config import Precision, Recipe, load_recipe
from trainer.content import Content
from trainer.critics import build_critic
from trainer.distributed import Ranks
from trainer.generators import build_generator
from trainer.published import Published
from trainer.step import Step


def bench(sections: tuple[str, ...], *, as_json: bool) -> int:
    """Measure the named sections, or all; see :func:`blurkit.figures.measure`."""
    return measure(SECTIONS, sections, as_json=as_json)


def _step() -> Iterator[Figure]:
    """One step of the recipe ``deblurgan`` on the CPU, of one pair of 256x256, against the published one; VGG is a random one."""
    blurred, sharp = torch.rand((2, 1, 3, 256, 256)) * 2 - 1
    alphas = list(torch.rand(5, 1, 1, 1, 1))
    recipe = load_recipe("deblurgan")

    def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
        return build_generator(recipe.generator_spec), build_critic(recipe.critic_spec), vgg.layers().requires_grad_(False)

    actions: list[Callable[[], object]] = [functools.partial(Published(*networks()).step, blurred, sharp, alphas)]
    for ours in _ways(recipe):
        generator, critic, features = networks()
        step = Step(ours, generator, critic, Content(ours.content.terms, features), torch.device("cpu"), Ranks())
        actions.append(functools.partial(step, 0, blurred, sharp))
    published, *seconds = times(*actions, repeats=3)
    yield Figure("a step at parity over the published one, written plainly", seconds[0] / published, 1.05, at_most=True)
    if len(seconds) > 1:
        yield Figure("a step in bf16 over the published one", seconds[1] / published, 0.75, at_most=True)


def _ways(recipe: Recipe) -> list[Recipe]:
    """At parity; and, where the processor computes in bf16, with that and one call of the critic for restored and sharp."""
    information = Path("/proc/cpuinfo")
    flags = information.read_text() if information.exists() else ""
    if "avx512_bf16" not in flags and "amx_bf16" not in flags:
        return [recipe]
    assert recipe.adversarial is not None
    return [recipe, replace(recipe, precision=Precision(bf16=True), adversarial=replace(recipe.adversarial, joint=True))]


def _loader() -> Iterator[Figure]:
    ours, theirs = loader_rates()
    yield Figure("pairs/s of 256x256 into torch over DataLoader on gzipped HDF5", ours / theirs, 40)


SECTIONS = {"step": _step, "loader": _loader}
