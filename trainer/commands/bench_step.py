"""What ``trainer bench`` measures of a step: its time on a CPU, and on a GPU parity, recorded steps, speed and memory.

The published step is that of DeblurGAN, see :mod:`trainer.training.published`, on one pair. The features are those of a VGG-19
with random weights, so that nothing is downloaded.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from blurkit.program.benchmark import Figure, times
from trainer.config import TrainingRecipe, load_recipe
from trainer.losses.content import LAYERS, ContentLoss, Perceptual
from trainer.losses.features import Features, layers
from trainer.networks.build import channels_last
from trainer.networks.critics import Critic, build_critic
from trainer.networks.generators import build_generator
from trainer.training.distributed import Ranks
from trainer.training.published import Published
from trainer.training.step import Step

#: Settings of steps that are faster than the published one, and how many times its pairs per second each reaches at least.
FASTER = {
    "at parity": (("batch=1",), 1.0),
    "bf16, recorded": (("batch=1", "precision.bf16=true", "precision.graph=true"), 4.0),
    "bf16, recorded, batch 16": (("batch=16", "precision.bf16=true", "precision.graph=true"), 8.0),
    "bf16, recorded, batch 16, channels_last": (
        ("batch=16", "precision.bf16=true", "precision.graph=true", "precision.channels_last=true"),
        8.0,
    ),
}
#: The most memory in GiB that a step of 16 pairs may take: that of a common card.
MEMORY = 40.0


def step_figures() -> Iterator[Figure]:
    """One step of the recipe ``deblurgan`` over the published step, on one pair of 256x256, on the CPU.

    If the processor computes in bf16, also a step in bf16 whose critic scores restored and sharp in one call.
    """
    cpu, information = torch.device("cpu"), Path("/proc/cpuinfo")
    steps = [_step(cpu, ())]
    if re.search("avx512_bf16|amx_bf16", information.read_text() if information.exists() else ""):
        steps.append(_step(cpu, ("precision.bf16=true", "adversarial.joint=true")))
    pair = _pairs(steps[0], 0)
    actions = [functools.partial(_published(cpu, ()).step, *pair, list(torch.rand(5, 1, 1, 1, 1)))]
    published, *seconds = times(*actions, *(functools.partial(step, 0, *pair) for step in steps), repeats=3)
    yield Figure("a step at parity over the published one, written plainly", seconds[0] / published, 1.05, at_most=True)
    if len(seconds) > 1:
        yield Figure("a step in bf16 over the published one", seconds[1] / published, 0.75, at_most=True)


def card_sections(device: torch.device, *small: str, repeats: int = 20) -> Mapping[str, Callable[[], Iterator[Figure]]]:
    """Returns what is measured on a GPU by name. ``small``: settings that make the networks smaller, for a rehearsal."""
    return {
        "parity": functools.partial(_parity, device, small),
        "graph": functools.partial(_graph, device, small),
        "speed": functools.partial(_speed, device, small, repeats),
    }


def _parity(device: torch.device, small: tuple[str, ...]) -> Iterator[Figure]:
    """Losses of three steps of both, in true float32."""
    torch.backends.cudnn.allow_tf32 = False
    small = ("generator.dropout=0.0", *small)  # the two draw other masks
    ours, published = _step(device, small), _published(device, small)
    difference = 0.0
    for number in range(3):
        blurred, sharp = _pairs(ours, number)
        alphas = list(ours.alphas(number))
        published.step(blurred, sharp, alphas)
        losses = ours(number, blurred, sharp)
        for name, loss in published.losses.items():
            theirs, mine = loss.item(), losses[name].item()
            difference = max(difference, abs(theirs - mine) / max(abs(theirs), 1e-3))
    torch.backends.cudnn.allow_tf32 = True
    yield Figure("largest relative difference of a loss to the published step", difference, 1e-3, at_most=True)


def _graph(device: torch.device, small: tuple[str, ...]) -> Iterator[Figure]:
    """Weights after 12 steps, recorded and plain, over two recordings."""
    both = [
        _step(device, ("generator.dropout=0.0", *small, "adversarial.start=5", f"precision.graph={flag}"))
        for flag in ("false", "true")
    ]
    for number in range(12):
        for step in both:
            step(number, *_pairs(step, number))
    plain, recorded = (torch.cat([value.detach().flatten() for value in step.generator.parameters()]) for step in both)
    difference = float((plain - recorded).norm() / plain.norm())
    yield Figure("relative difference of the weights of recorded and plain steps", difference, 1e-3, at_most=True)


def _speed(device: torch.device, small: tuple[str, ...], repeats: int) -> Iterator[Figure]:
    published = _published(device, small)
    pair = _pairs(_step(device, small), 0)
    alphas = list(torch.rand(5, 1, 1, 1, 1, device=device))
    for name, (settings, limit) in FASTER.items():
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        step = _step(device, (*small, *settings))
        images, batch = _pairs(step, 0), step.recipe.batch
        for number in range(5):  # algorithms are chosen, and the step is recorded
            step(number, *images)
        slow, fast = times(
            functools.partial(_waited, device, published.step, *pair, alphas),
            functools.partial(_waited, device, step, 5, *images),
            repeats=repeats,
        )
        yield Figure(f"pairs/s over the published step, {name} ({batch / fast:.1f} pairs/s)", slow * batch / fast, limit)
        if device.type == "cuda" and batch > 1:
            taken = torch.cuda.max_memory_reserved(device) / 2**30
            yield Figure(f"memory of a step, {name}", taken, MEMORY, "GiB", at_most=True)


def _waited(device: torch.device, action: Callable[..., object], *given: object) -> None:
    action(*given)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _networks(recipe: TrainingRecipe) -> tuple[nn.Module, Critic, nn.Sequential]:
    """The networks of a recipe, and those of its features, always with the same weights."""
    torch.manual_seed(0)
    features = layers("vgg19", *LAYERS["vgg19"]).requires_grad_(False)
    for parameter in features.parameters():
        nn.init.normal_(parameter, 0, 0.02)
    return build_generator(recipe.generator), build_critic(recipe.critic), features


def _published(device: torch.device, small: Sequence[str]) -> Published:
    generator, critic, features = _networks(load_recipe("deblurgan", small))
    return Published(generator.to(device), critic.model.to(device), features.to(device))  # type: ignore[arg-type]


def _step(device: torch.device, settings: Sequence[str]) -> Step:
    recipe = load_recipe("deblurgan", settings)
    generator, critic, features = _networks(recipe)
    content = ContentLoss(recipe.content.terms, {"perceptual": Perceptual(Features(features, LAYERS["vgg19"]))})
    if recipe.precision.channels_last:
        for network in (generator, critic, content):
            channels_last(network)
    return Step(recipe, generator, critic, content, device, Ranks())


def _pairs(step: Step, number: int) -> tuple[Tensor, Tensor]:
    """Random pairs in [-1, 1] for a step."""
    recipe, random = step.recipe, torch.Generator().manual_seed(number)
    images = torch.rand(2, recipe.batch, 3, recipe.crop, recipe.crop, generator=random) * 2 - 1
    blurred, sharp = images.to(step.device)
    return blurred, sharp
