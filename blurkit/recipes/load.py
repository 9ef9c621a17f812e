"""Recipes by name or from TOML, alone or mixed, with settings applied.

A mixture has a table ``[mixture]`` of recipes and their weights: names of packaged ones, or files. Stored with a dataset, it has
all of its parts in it, under ``[recipes]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blurkit.errors import UsageError, nearest
from blurkit.program import toml as configuration
from blurkit.program.checks import require
from blurkit.program.toml import from_dict, named_text, parse_toml, parse_value, with_setting, with_value
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe, file_digest

DEFAULT = "handheld"

#: What a mixture has beside the table of its parts.
_OF_MIXTURES = ("name", "summary", "provenance", "mixture", "recipes")


def recipe_names() -> list[str]:
    """The names of the recipes in the package."""
    return configuration.packaged_names("blurkit")


def packaged_text(name: str) -> str:
    """The TOML text of a recipe in the package."""
    return configuration.packaged_text("blurkit", name)


def load_recipe(name: str = DEFAULT, settings: Iterable[str] = ()) -> Recipe | Mixture:
    """A recipe by name or TOML file, with ``settings`` such as ``"trajectory.length=[5, 40]"`` or ``"noise=none"`` applied.

    Of a mixture they change every part, or one where its label comes first: ``"street.noise=none"``; ``"mixture.street=2"``
    changes a weight.
    """
    text, folder = named_text("blurkit", name)
    return recipe_from_toml(text, where=f"recipe {name}", folder=folder, settings=settings)


def recipe_from_toml(
    text: str, *, where: str = "recipe", folder: Path | None = None, settings: Iterable[str] = ()
) -> Recipe | Mixture:
    """A checked recipe from TOML text. Relative paths of files are taken from ``folder``, those in ``settings`` from here."""
    values = parse_toml(text, where=where)
    if "mixture" in values:
        return _mixture(values, where, folder, list(settings))
    return _recipe(values, where, folder, settings)


def _recipe(values: dict[str, Any], where: str, folder: Path | None, settings: Iterable[str]) -> Recipe:
    digests = values.pop("files", {})
    recipe = from_dict(Recipe, values, where=where)
    if folder is not None:
        for key, value in recipe.named_files().items():
            if (folder / value).is_file() or (key == "kernels" and (folder / value).is_dir()):
                recipe = with_value(recipe, key, str(folder / value), where=where)
    for setting in settings:
        recipe = with_setting(recipe, setting)
    recipe = recipe.check()
    for key, path in recipe.files().items():
        if key in digests and digests[key] != file_digest(path):
            raise UsageError(f"{where}: {path} is not the file that this recipe was made with (its sha256 differs)")
    return recipe


def _mixture(values: dict[str, Any], where: str, folder: Path | None, settings: list[str]) -> Mixture:
    unknown = [key for key in values if key not in _OF_MIXTURES]
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r}{nearest(unknown[0], _OF_MIXTURES)}; its parts say what is drawn")
    mixed = values["mixture"]
    require(isinstance(mixed, dict), f"{where}: [mixture] is a table of recipes and their weights, got {mixed!r}")
    named = {Path(name).stem if name.endswith(".toml") else name: name for name in mixed}
    require(len(named) == len(mixed), f"{where}: two recipes of the mixture have one name; rename a file")
    weights = {label: mixed[name] for label, name in named.items()}
    own: dict[str, list[str]] = {label: [] for label in named}
    for setting in settings:
        first, _, rest = setting.partition(".")
        if first == "mixture":
            label, weight = (text.strip() for text in rest.partition("=")[::2])
            require(label in weights, f"--set {setting}: the mixture has no {label!r}{nearest(label, weights)}")
            weights[label] = parse_value(weight)
        else:
            for label, changes in own.items():
                if first == label or first not in own:
                    changes.append(rest if first == label else setting)
    stored = values.get("recipes", {})
    parts = [_part(name, stored.get(label), f"{where}, {label}", folder, own[label]) for label, name in named.items()]
    name, summary, provenance = (str(values.get(key, "")) for key in ("name", "summary", "provenance"))
    return Mixture(name or "mixture", summary, provenance, tuple(named), tuple(weights.values()), tuple(parts)).check()


def _part(name: str, stored: dict[str, Any] | None, where: str, folder: Path | None, settings: list[str]) -> Recipe:
    if stored is not None:
        return _recipe(dict(stored), where, folder, settings)
    beside = (folder or Path()) / name
    text, its_folder = named_text("blurkit", str(beside) if name.endswith(".toml") and beside.is_file() else name)
    values = tomllib.loads(text)
    require("mixture" not in values, f"{where}: a mixture is not part of another; name its recipes instead")
    return _recipe(values, where, its_folder, settings)
