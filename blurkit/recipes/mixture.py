"""Mixtures of recipes: each sample is drawn from one of several recipes, in proportion to their weights."""

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
    """Several recipes with weights.

    ``name``, ``summary``, ``provenance``: texts about the mixture. ``parts``: the recipes. ``labels``: the name of each part
    within the mixture. ``weights``: a positive number for each part. The weights may have any sum.
    """

    name: str
    summary: str
    provenance: str
    labels: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[Recipe, ...]

    def check(self) -> Mixture:
        """Returns this mixture. Raises :class:`UsageError` with the name of a wrong key."""
        require(len(self.parts) > 0, f"recipe {self.name!r}: [mixture] takes at least one recipe with its weight")
        for label, weight in zip(self.labels, self.weights, strict=True):
            valid = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight) and weight > 0
            require(valid, f"recipe {self.name!r}: mixture.{label} takes a weight above 0, got {weight!r}")
        return self

    def choose(self, *, rng: np.random.Generator) -> tuple[Recipe, dict[str, float]]:
        """Draws the recipe of one sample. Returns the recipe, and its number among the parts as a parameter."""
        shares = np.array(self.weights) / math.fsum(self.weights)
        number = int(rng.choice(len(self.parts), p=shares))
        return self.parts[number], {"recipe": float(number)}

    def files(self) -> dict[str, str]:
        """The path of each file that a part reads. The key is the label of the part, a dot, and the key within the part."""
        parts = zip(self.labels, self.parts, strict=True)
        return {f"{label}.{key}": path for label, part in parts for key, path in part.files().items()}

    def portable(self) -> dict[str, Any]:
        """The mixture as nested dictionaries, which contain :meth:`Recipe.portable` of each part."""
        texts = {"name": self.name, "summary": self.summary, "provenance": self.provenance}
        weights = dict(zip(self.labels, map(float, self.weights), strict=True))
        recipes = {label: part.portable() for label, part in zip(self.labels, self.parts, strict=True)}
        return {**texts, "mixture": weights, "recipes": recipes}

    def portable_toml(self) -> str:
        """The TOML text of :meth:`portable`."""
        return to_toml(self.portable())

    def digest(self) -> str:
        """The hexadecimal sha256 of every value that can change a pixel."""
        parts = [[float(weight), part.digest()] for weight, part in zip(self.weights, self.parts, strict=True)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
