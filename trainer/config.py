"""Recipes of the trainer: frozen dataclasses that are read from TOML and written to TOML.

The digest of a recipe covers every value that can change a weight, but not names, descriptions and how often to report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from blurkit.program.checks import require
from blurkit.program.toml import file_text, from_dict, parse_toml, to_dict, to_toml, with_settings
from trainer.catalogue import catalogue, extended
from trainer.sections import Adversarial, Augment, ContentWeights, Optimizer, Precision, Schedule
from trainer.specs import CRITICS, GENERATORS, checked, complete, options_of, sizes_of

DEFAULT = "quick"

#: How often, and on how much, a run reports.
COUNTS = ("checkpoint_every", "log_every", "validate_every", "validate_pairs")
#: Keys that may differ between a run and its continuation. They are not part of the digest.
REPORTING = ("name", "system", "summary", "provenance", "pretrain", *COUNTS)

#: The makers of the networks that a recipe names.
NETWORKS = {"generator": GENERATORS, "critic": CRITICS}

#: The tables of the first recipes, which were written with all of these values, also those that their network did not have. A
#: digest still begins with them, so that the runs of that time go on. For the same reason no default of a network may change.
FIRST: dict[str, dict[str, Any]] = {
    "generator": {"name": "resnet", "blocks": 9, "width": 64, "dropout": 0.5, "upsampling": "transposed", "skip": True},
    "critic": {"name": "patch", "width": 64, "layers": 0},
}


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that defines one training. ``system``: the published work that it belongs to. ``steps``: steps of the
    generator. ``batch``: pairs per step and process. ``accumulate``: the number of parts that a batch is computed in, one after
    the other, to save memory. ``crop``: the side of a crop in pixels. ``pretrain``: the steps that the critic trains as a
    classifier of blur, with ``trainer pretrain-critic``, before a run starts from its weights; 0 if it does not.
    ``validate_pairs``: the most pairs that one validation restores. The keys that end in ``_every`` are steps between
    checkpoints, log lines and validations. ``generator``, ``critic``: the networks, as :func:`trainer.specs.checked` returns
    them: a name, and the options that differ from their defaults."""

    name: str = "unnamed"
    system: str = ""
    summary: str = ""
    provenance: str = ""
    seed: int = 0
    steps: int = 1000
    batch: int = 1
    accumulate: int = 1
    crop: int = 256
    pretrain: int = 0
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
        for key in ("steps", "batch", "accumulate", "crop", *COUNTS):
            require(getattr(self, key) >= 1, f"{key} is at least 1, got {getattr(self, key)}")
        require(self.pretrain >= 0, f"pretrain is a number of steps, at least 0, got {self.pretrain}")
        require(0 <= self.seed < 2**63, f"seed lies between 0 and 2**63 - 1, got {self.seed}")
        require(self.batch % self.accumulate == 0, f"batch is a multiple of accumulate, got {self.batch} and {self.accumulate}")
        valid = self.accumulate == 1 or not self.precision.graph
        require(valid, "precision.graph records a whole step, so it needs accumulate = 1")
        for kind, makers in NETWORKS.items():
            spec = {"name": FIRST[kind]["name"], **getattr(self, kind)}
            known = options_of(makers[spec["name"]]) if spec["name"] in makers else spec
            spec = {key: value for key, value in spec.items() if key == "name" or key in known or value != FIRST[kind].get(key)}
            object.__setattr__(self, kind, checked(kind, makers, spec))
        self._require_fitting()

    def _require_fitting(self) -> None:
        """Raise :class:`UsageError` for values that do not fit together, before anything is loaded."""
        name, conditional = self.generator["name"], self.critic.get("conditional")
        augmented = self.adversarial and self.adversarial.diffaugment
        multiple, least = sizes_of(GENERATORS[name])
        sizes = f"generator {name!r} needs a crop that is a multiple of {multiple} and at least {least} pixels, got {self.crop}"
        require(self.crop % multiple == 0 and self.crop >= least, sizes)
        reason = "a conditional critic compares places of both photographs, and adversarial.diffaugment moves one of them alone"
        require(not (conditional and augmented), f"{reason}; set one of them to its default")
        reason = "a classifier of blur sees one photograph, and a conditional critic two"
        require(not (conditional and self.pretrain), f"{reason}; set critic.conditional = false or pretrain = 0")

    def rate(self, step: int) -> float:
        """The learning rate at a step, counted from 0."""
        return self.optimizer.rate * self.schedule.factor(step, self.steps)

    @property
    def digest(self) -> str:
        """The sha256 of all values that decide the weights, 64 hexadecimal digits."""
        values = {key: _decisive(getattr(self, key)) for key in to_dict(self) if key not in REPORTING}
        for kind, first in FIRST.items():
            given = values[kind]
            values[kind] = first | given
            if hidden := sorted(option for option in given if option != "name" and given[option] == first.get(option)):
                values[kind]["given"] = hidden  # they differ from the defaults of their network, and so must the digest
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def toml(self) -> str:
        """The complete recipe as TOML."""
        return to_toml(to_dict(self) | {kind: complete(makers, getattr(self, kind)) for kind, makers in NETWORKS.items()})


def recipe_names() -> list[str]:
    """The names of the recipes in the package."""
    return list(catalogue())


def load_recipe(name: str, settings: Iterable[str] = ()) -> TrainingRecipe:
    """Returns a recipe, by its name in the package or by the path of its file, with the ``KEY=VALUE`` settings applied.

    Raises :class:`UsageError` for an unknown name or key and for an invalid value.
    """
    where, known = f"recipe {name}", catalogue()
    recipe = _recipe(known[name], where) if name in known else parse_recipe(file_text(name, list(known)), where=where)
    return with_settings(recipe, list(settings))


def parse_recipe(text: str, *, where: str) -> TrainingRecipe:
    """Returns the recipe of a TOML text. Errors name ``where`` the text comes from."""
    return _recipe(parse_toml(text, where=where), where)


def _recipe(values: dict[str, Any], where: str) -> TrainingRecipe:
    return from_dict(TrainingRecipe, extended(values, where=where), where=where)


def differences(one: TrainingRecipe, other: TrainingRecipe) -> list[str]:
    """Returns the values that differ and that decide the weights, as words for a message: ``"batch 8 there, 4 here"``."""
    first, second = _flat(one), _flat(other)
    keys = [key for key in first | second if key not in REPORTING and first.get(key) != second.get(key)]
    return [f"{key} {first.get(key, 'none')!r} there, {second.get(key, 'none')!r} here" for key in keys]


def _decisive(section: Any) -> Any:
    """The values of a section for a digest: without later keys that have their defaults."""
    if not is_dataclass(section):
        return section
    values = {option: getattr(section, option.name) for option in fields(section)}
    return {key.name: value for key, value in values.items() if not key.metadata or value != key.default}


def _flat(recipe: TrainingRecipe) -> dict[str, Any]:
    """The values of a recipe by dotted keys."""
    sections = {key: value if isinstance(value, dict) else {"": value} for key, value in to_dict(recipe).items()}
    return {f"{key}.{inner}".rstrip("."): value for key, section in sections.items() for inner, value in section.items()}
