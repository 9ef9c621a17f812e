"""Recipes of the trainer: frozen dataclasses that are read from TOML and written to TOML.

The digest of a recipe covers every value that can change a weight, but not names, descriptions and how often to report.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from blurkit.program.checks import one_of, require, within
from blurkit.program.toml import from_dict, named_text, packaged_names, parse_toml, to_dict, to_toml, with_setting
from trainer.specs import CRITICS, GENERATORS, checked, complete, options_of

DEFAULT = "quick"

#: Keys that may differ between a run and its continuation. They are not part of the digest.
REPORTING = ("name", "summary", "provenance", "checkpoint_every", "log_every", "validate_every", "validate_pairs")

#: The makers of the networks that a recipe names.
NETWORKS = {"generator": GENERATORS, "critic": CRITICS}

#: The tables of the first recipes, which were written with all of these values, also those that their network did not have. A
#: digest still begins with them, so that the runs of that time go on. For the same reason no default of a network may change.
FIRST: dict[str, dict[str, Any]] = {
    "generator": {"name": "resnet", "blocks": 9, "width": 64, "dropout": 0.5, "upsampling": "transposed", "skip": True},
    "critic": {"name": "patch", "width": 64, "layers": 0},
}


@dataclass(frozen=True)
class Adversarial:
    """Adversarial training. Without this section there is no critic, and only the content loss trains the generator.

    ``objective``: see :mod:`trainer.losses.adversarial`. ``gp``: "pixel" penalises the norm of the critic's gradient at each
    pixel, as the code of DeblurGAN does, "sample" over the whole sample, as the papers do. ``penalty``: the weight of this
    penalty. ``joint``: score restored and sharp photographs in one call, which is faster, and equal if the critic treats samples
    independently. ``weight``: of the generator's adversarial loss. ``critic_steps``: per generator step. ``start``: generator
    steps with the content loss only, before adversarial training begins.
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
        require(self.start >= 0, f"adversarial.start is a number of generator steps, at least 0, got {self.start}")


@dataclass(frozen=True)
class ContentWeights:
    """Weights of the content losses, which compare restored with sharp photographs. A weight of 0 leaves a loss out.
    ``vgg_weights``: a file of weights of VGG-19 for ``perceptual``. If it is empty, the weights of torchvision are downloaded
    once."""

    perceptual: float = 100.0
    l1: float = 0.0
    mse: float = 0.0
    charbonnier: float = 0.0
    vgg_weights: str = ""

    def __post_init__(self) -> None:
        require(bool(self.terms), "[content] has no loss with a weight above zero; set one, for example content.l1 = 100")
        within("the weights of [content]", list(self.terms.values()), 0, 1e6)

    @property
    def terms(self) -> dict[str, float]:
        """The weights that are not 0, by the names of the losses."""
        return {name: weight for name, weight in asdict(self).items() if name != "vgg_weights" and weight != 0}


@dataclass(frozen=True)
class Optimizer:
    """The settings of Adam, for both networks. ``rate``: the learning rate before the schedule changes it. ``clip``: the largest
    norm of a gradient; 0 means no limit. ``ema``: the decay per step of an exponential moving average of the generator's weights;
    0 means no average. With an average, the averaged weights are validated and saved."""

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
    """The schedule of the learning rate. ``kind``: "constant", or "linear" or "cosine", which fall to zero at the end.
    ``warmup``: steps during which the rate rises linearly. ``hold``: steps before the rate falls. ``every``: steps between two
    changes of the rate."""

    kind: str = "constant"
    warmup: int = 0
    hold: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        one_of("schedule.kind", self.kind, ("constant", "linear", "cosine"))
        valid = min(self.warmup, self.hold) >= 0 and self.every >= 1
        require(valid, "schedule.warmup and schedule.hold are at least 0, and schedule.every is at least 1")

    def factor(self, step: int, steps: int) -> float:
        """The factor in [0, 1] by which the learning rate is multiplied at ``step`` (from 0) of a run of ``steps`` steps.

        With ``kind`` "linear" and ``every`` set to one epoch this is the schedule of DeblurGAN. It reaches zero after the last
        step.
        """
        step -= step % self.every
        if step < self.warmup:
            return (step + 1) / self.warmup
        begin = max(self.warmup, self.hold)
        if self.kind == "constant" or step < begin:
            return 1.0
        progress = min((step - begin) / max(steps - begin, 1), 1.0)
        return 1 - progress if self.kind == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Augment:
    """Random changes of a pair. ``flips``: "both", "horizontal" or "none". ``transpose``: exchange rows and columns."""

    flips: str = "both"
    transpose: bool = True

    def __post_init__(self) -> None:
        one_of("augment.flips", self.flips, ("both", "horizontal", "none"))


@dataclass(frozen=True)
class Precision:
    """How the steps are computed. ``bf16``: autocast to bfloat16; the gradient penalty and the losses stay in float32.
    ``channels_last``: use this memory format, with a normalisation that preserves it. ``compile``: apply torch.compile to the
    generator and VGG. ``graph``: use CUDA graphs on a GPU."""

    bf16: bool = False
    channels_last: bool = False
    compile: bool = False
    graph: bool = False


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that defines one training. ``steps``: steps of the generator. ``batch``: pairs per step and process.
    ``accumulate``: the number of parts that a batch is computed in, one after the other, to save memory. ``crop``: the side of a
    crop in pixels. ``validate_pairs``: the most pairs that one validation restores. The keys that end in ``_every`` are steps
    between checkpoints, log lines and validations. ``generator``, ``critic``: the networks, as :func:`trainer.specs.checked`
    returns them: a name, and the options that differ from their defaults."""

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
    generator: dict[str, Any] = field(default_factory=dict)
    critic: dict[str, Any] = field(default_factory=dict)
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
        require(self.batch % self.accumulate == 0, f"batch is a multiple of accumulate, got {self.batch} and {self.accumulate}")
        valid = self.accumulate == 1 or not self.precision.graph
        require(valid, "precision.graph records a whole step, so it needs accumulate = 1")
        for kind, makers in NETWORKS.items():
            spec = {"name": FIRST[kind]["name"], **getattr(self, kind)}
            known = options_of(makers[spec["name"]]) if spec["name"] in makers else spec
            spec = {key: value for key, value in spec.items() if key == "name" or key in known or value != FIRST[kind].get(key)}
            object.__setattr__(self, kind, checked(kind, makers, spec))

    def rate(self, step: int) -> float:
        """The learning rate at a step, counted from 0."""
        return self.optimizer.rate * self.schedule.factor(step, self.steps)

    @property
    def digest(self) -> str:
        """The sha256 of all values that decide the weights, 64 hexadecimal digits."""
        values = {key: value for key, value in to_dict(self).items() if key not in REPORTING}
        values |= {kind: first | values[kind] for kind, first in FIRST.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def toml(self) -> str:
        """The complete recipe as TOML."""
        return to_toml(to_dict(self) | {kind: complete(makers, getattr(self, kind)) for kind, makers in NETWORKS.items()})


def recipe_names() -> list[str]:
    """The names of the recipes in the package."""
    return packaged_names("trainer")


def load_recipe(name: str, settings: Iterable[str] = ()) -> TrainingRecipe:
    """Returns a recipe, by its name in the package or by the path of its file, with the ``KEY=VALUE`` settings applied.

    Raises :class:`UsageError` for an unknown name or key and for an invalid value.
    """
    recipe = parse_recipe(named_text("trainer", name)[0], where=f"recipe {name}")
    for setting in settings:
        recipe = with_setting(recipe, setting)
    return recipe


def parse_recipe(text: str, *, where: str) -> TrainingRecipe:
    """Returns the recipe of a TOML text. Errors name ``where`` the text comes from."""
    return from_dict(TrainingRecipe, parse_toml(text, where=where), where=where)


def differences(one: TrainingRecipe, other: TrainingRecipe) -> list[str]:
    """Returns the values that differ and that decide the weights, as words for a message: ``"batch 8 there, 4 here"``."""
    first, second = _flat(one), _flat(other)
    keys = [key for key in first | second if key not in REPORTING and first.get(key) != second.get(key)]
    return [f"{key} {first.get(key, 'none')!r} there, {second.get(key, 'none')!r} here" for key in keys]


def _flat(recipe: TrainingRecipe) -> dict[str, Any]:
    """The values of a recipe by dotted keys."""
    sections = {key: value if isinstance(value, dict) else {"": value} for key, value in to_dict(recipe).items()}
    return {f"{key}.{inner}".rstrip("."): value for key, section in sections.items() for inner, value in section.items()}
