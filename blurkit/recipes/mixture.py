"""Mixtures of recipes: each sample is drawn by one of several, in proportion to their weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from blurkit.program.checks import require
from blurkit.program.toml import to_toml
from blurkit.recipes.recipe import Recipe


@dataclass(frozen=True)
class Mixture:
    """``labels``: how each of the ``parts`` is called in the mixture; ``weights``: positive, of any sum."""

    name: str
    summary: str
    provenance: str
    labels: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[Recipe, ...]

    def check(self) -> Mixture:
        """This mixture, or a :class:`UsageError` that names what is wrong with it."""
        require(len(self.parts) > 0, f"recipe {self.name!r}: [mixture] names at least one recipe, each with its weight")
        for label, weight in zip(self.labels, self.weights, strict=True):
            sound = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight) and weight > 0
            require(sound, f"recipe {self.name!r}: mixture.{label} takes a weight above 0, got {weight!r}")
        return self

    def choose(self, *, rng: np.random.Generator) -> tuple[Recipe, dict[str, float]]:
        """The recipe of one sample, and its number among the parts."""
        shares = np.array(self.weights) / math.fsum(self.weights)
        number = int(rng.choice(len(self.parts), p=shares))
        return self.parts[number], {"recipe": float(number)}

    def files(self) -> dict[str, str]:
        """The path of each file that a part reads, by its key behind the part's label."""
        parts = zip(self.labels, self.parts, strict=True)
        return {f"{label}.{key}": path for label, part in parts for key, path in part.files().items()}

    def portable(self) -> dict[str, Any]:
        """As of a :class:`Recipe`; the parts are all in it."""
        words = {"name": self.name, "summary": self.summary, "provenance": self.provenance}
        weights = dict(zip(self.labels, map(float, self.weights), strict=True))
        recipes = {label: part.portable() for label, part in zip(self.labels, self.parts, strict=True)}
        return {**words, "mixture": weights, "recipes": recipes}

    def portable_toml(self) -> str:
        """:meth:`portable` as TOML."""
        return to_toml(self.portable())

    def digest(self) -> str:
        """A hexadecimal sha256 of all that can change a pixel."""
        parts = [[float(weight), part.digest()] for weight, part in zip(self.weights, self.parts, strict=True)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
