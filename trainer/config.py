"""Recipes of the trainer: everything that decides the weights, as frozen dataclasses that read from and write to TOML.

A recipe's digest covers every value that can change a weight. Names, descriptions and how often to report are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from blurkit.program.checks import one_of, require, within
from blurkit.program.toml import from_dict, named_text, packaged_names, parse_toml, to_dict, to_toml, with_setting

DEFAULT = "quick"

#: What may differ between a run and its continuation.
REPORTING = ("name", "summary", "provenance", "checkpoint_every", "log_every", "validate_every", "validate_pairs")


@dataclass(frozen=True)
class Network:
    """The name of a network; its options are the fields of the classes below."""

    name: str

    @property
    def spec(self) -> dict[str, Any]:
        """What builds it: the name, and those options that are not their defaults, since each network takes others."""
        defaults = {option.name: option.default for option in fields(self)}
        return {key: value for key, value in asdict(self).items() if key == "name" or value != defaults[key]}


@dataclass(frozen=True)
class Generator(Network):
    """The network that restores. Options that it does not have keep their defaults here, which are every network's own."""

    name: str = "resnet"
    blocks: int = 9
    width: int = 64
    dropout: float = 0.5
    upsampling: str = "transposed"
    skip: bool = True


@dataclass(frozen=True)
class Critic(Network):
    """The network that tells restored from sharp. ``layers``: 0 for as many as the named one was published with."""

    name: str = "patch"
    width: int = 64
    layers: int = 0


@dataclass(frozen=True)
class Adversarial:
    """The game between the two networks; without this section the content alone is learned.

    ``objective``: see :mod:`trainer.losses.adversarial`. ``gp`` "pixel" penalises the norm of the critic's slope at each pixel,
    as DeblurGAN's code does, "sample" that over the whole sample, as the papers do; ``penalty`` is its weight. ``joint`` scores
    restored and sharp photographs in one call: faster, and equal where the critic treats each sample alone. ``weight`` of the
    generator's part. ``critic_steps`` for each of the generator's. ``start``: generator steps on the content alone, before the
    game begins.
    """

    objective: str = "wgan-gp"
    gp: str = "pixel"
    penalty: float = 10.0
    joint: bool = False
    weight: float = 1.0
    critic_steps: int = 5
    start: int = 0

    def __post_init__(self) -> None:
        one_of("adversarial.objective", self.objective, ["wgan-gp"])
        one_of("adversarial.gp", self.gp, ["pixel", "sample"])
        within("adversarial.penalty", [self.penalty], 0, 1e6)
        within("adversarial.weight", [self.weight], 0, 1e6)
        require(1 <= self.critic_steps <= 100, f"adversarial.critic_steps is from 1 to 100, got {self.critic_steps}")
        require(self.start >= 0, f"adversarial.start counts generator steps, got {self.start}")


@dataclass(frozen=True)
class ContentWeights:
    """Weights of the terms that compare restored with sharp, as :func:`trainer.losses.build_content` takes them; 0 leaves a term
    out. ``vgg_weights``: a file of weights of VGG-19 for ``perceptual``; empty for torchvision's, downloaded once."""

    perceptual: float = 100.0
    l1: float = 0.0
    mse: float = 0.0
    charbonnier: float = 0.0
    vgg_weights: str = ""

    def __post_init__(self) -> None:
        require(bool(self.terms), "[content] has no term with a weight above zero; set one, such as content.l1 = 100")
        within("the weights of [content]", list(self.terms.values()), 0, 1e6)

    @property
    def terms(self) -> dict[str, float]:
        """The weights of the terms that are not left out."""
        return {name: weight for name, weight in asdict(self).items() if name != "vgg_weights" and weight != 0}


@dataclass(frozen=True)
class Optimizer:
    """Adam, for both networks. ``clip``: the largest norm of a gradient, 0 for any. ``ema``: the decay per step of an average of
    the generator's weights, which is then what is validated and kept; 0 for none."""

    rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    clip: float = 0.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        within("optimizer.rate", [self.rate], 0, 1)
        within("optimizer.betas", self.betas, 0, 1 - 1e-9)
        within("optimizer.clip", [self.clip], 0, 1e9)
        within("optimizer.ema", [self.ema], 0, 1 - 1e-9)


@dataclass(frozen=True)
class Schedule:
    """The learning rate. ``kind``: "constant", or "linear" or "cosine" to zero at the end. ``warmup``: steps over which it rises.
    ``hold``: steps before it falls. ``every``: steps between changes."""

    kind: str = "constant"
    warmup: int = 0
    hold: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        one_of("schedule.kind", self.kind, ("constant", "linear", "cosine"))
        good = min(self.warmup, self.hold) >= 0 and self.every >= 1
        require(good, "schedule.warmup and .hold are at least 0, .every at least 1")

    def factor(self, step: int, steps: int) -> float:
        """What the rate is multiplied by at a step, counted from 0, of a run of ``steps``; within [0, 1].

        With "linear", and an epoch for ``every``, it is DeblurGAN's, which would be zero after the last step.
        """
        step -= step % self.every
        if step < self.warmup:
            return (step + 1) / self.warmup
        begin = max(self.warmup, self.hold)
        if self.kind == "constant" or step < begin:
            return 1.0
        share = min((step - begin) / max(steps - begin, 1), 1.0)
        return 1 - share if self.kind == "linear" else 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Augment:
    """What is done to a pair at random. ``flips``: "both" ways, "horizontal", left to right alone, or "none". ``transpose``: of
    rows and columns."""

    flips: str = "both"
    transpose: bool = True

    def __post_init__(self) -> None:
        one_of("augment.flips", self.flips, ("both", "horizontal", "none"))


@dataclass(frozen=True)
class Precision:
    """How it is computed. ``bf16``: autocast, with the penalty and the losses in float32. ``channels_last``: that memory format,
    with the normalisation that keeps it. ``compile``: torch.compile of generator and VGG. ``graph``: CUDA graphs, on a GPU."""

    bf16: bool = False
    channels_last: bool = False
    compile: bool = False
    graph: bool = False


@dataclass(frozen=True)
class TrainingRecipe:
    """One training. ``steps``: of the generator. ``batch``: pairs per step and process, in ``accumulate`` parts one after the
    other where memory is short. ``crop``: pixels along a side. ``validate_pairs``: held-out pairs looked at each time."""

    name: str = "unnamed"
    summary: str = ""
    provenance: str = ""
    seed: int = 0
    steps: int = 1000
    batch: int = 1
    accumulate: int = 1
    crop: int = 256
    checkpoint_every: int = 1000
    log_every: int = 50
    validate_every: int = 1000
    validate_pairs: int = 32
    generator: Generator = field(default_factory=Generator)
    critic: Critic = field(default_factory=Critic)
    adversarial: Adversarial | None = None
    content: ContentWeights = field(default_factory=ContentWeights)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augment: Augment = field(default_factory=Augment)
    precision: Precision = field(default_factory=Precision)

    def __post_init__(self) -> None:
        for key in ("steps", "batch", "accumulate", "crop", *REPORTING[3:]):
            require(getattr(self, key) >= 1, f"{key} is at least 1, got {getattr(self, key)}")
        require(0 <= self.seed < 2**63, f"seed lies between 0 and 2**63 - 1, got {self.seed}")
        require(self.batch % self.accumulate == 0, f"accumulate divides batch, got {self.accumulate} parts of {self.batch}")
        whole = self.accumulate == 1 or not self.precision.graph
        require(whole, "precision.graph records a step as a whole; set accumulate = 1 with it")

    def rate(self, step: int) -> float:
        """The learning rate at a step, counted from 0."""
        return self.optimizer.rate * self.schedule.factor(step, self.steps)

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that depend on everything that decides the weights."""
        values = {key: value for key, value in to_dict(self).items() if key not in REPORTING}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def toml(self) -> str:
        """The recipe as TOML, complete."""
        return to_toml(to_dict(self))


def recipe_names() -> list[str]:
    """The recipes in the package."""
    return packaged_names("trainer")


def load_recipe(name: str, settings: Iterable[str] = ()) -> TrainingRecipe:
    """A recipe by its name in the package or by its file, with ``KEY=VALUE`` settings applied.

    Raises :class:`UsageError` for an unknown name, key or value.
    """
    recipe = parse_recipe(named_text("trainer", name)[0], where=f"recipe {name}")
    for setting in settings:
        recipe = with_setting(recipe, setting)
    return recipe


def parse_recipe(text: str, *, where: str) -> TrainingRecipe:
    """A recipe from TOML text."""
    return from_dict(TrainingRecipe, parse_toml(text, where=where), where=where)


def differences(one: TrainingRecipe, other: TrainingRecipe) -> list[str]:
    """What would give other weights, in words for a message: ``"batch 8 there, 4 here"``."""
    first, second = _flat(one), _flat(other)
    keys = [key for key in first | second if key not in REPORTING and first.get(key) != second.get(key)]
    return [f"{key} {first.get(key, 'none')!r} there, {second.get(key, 'none')!r} here" for key in keys]


def _flat(recipe: TrainingRecipe) -> dict[str, Any]:
    """Its values by dotted keys."""
    sections = {key: value if isinstance(value, dict) else {"": value} for key, value in to_dict(recipe).items()}
    return {f"{key}.{inner}".rstrip("."): value for key, section in sections.items() for inner, value in section.items()}
