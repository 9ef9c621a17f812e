"""Loads recipes and mixtures of recipes by name or from TOML files, and applies settings to them.

The TOML of a mixture has a table ``[mixture]`` with a weight for each recipe. The key is the name of a packaged recipe or a file.
If a mixture is stored with a dataset, its TOML contains all of its recipes under ``[recipes]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blurkit.errors import UsageError, nearest
from blurkit.program import toml as configuration
from blurkit.program.checks import require
from blurkit.program.toml import assign, from_dict, named_text, parse_toml, parse_value, with_settings, with_value
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe, file_digest

DEFAULT = "handheld"

#: The keys that the TOML of a mixture may have.
_MIXTURE_KEYS = ("name", "summary", "provenance", "mixture", "recipes")


def recipe_names() -> list[str]:
    """The names of the recipes in the package."""
    return configuration.packaged_names("blurkit")


def packaged_text(name: str) -> str:
    """The TOML text of a recipe in the package."""
    return configuration.packaged_text("blurkit", name)


def load_recipe(name: str = DEFAULT, settings: Iterable[str] = ()) -> Recipe | Mixture:
    """Loads a recipe or a mixture of recipes.

    ``name``: the name of a packaged recipe, or a TOML file. ``settings``: changes such as ``"trajectory.length=[5, 40]"`` or
    ``"noise=none"``. A setting changes every recipe of a mixture. If it begins with the label of a recipe, as in
    ``"street.noise=none"``, it changes only this recipe. ``"mixture.street=2"`` changes a weight.

    Raises :class:`UsageError` for an unknown name or key, for text that is not TOML, and for a value out of its bounds.
    """
    text, folder = named_text("blurkit", name)
    return recipe_from_toml(text, where=f"recipe {name}", folder=folder, settings=settings)


def recipe_from_toml(
    text: str, *, where: str = "recipe", folder: Path | None = None, settings: Iterable[str] = ()
) -> Recipe | Mixture:
    """Returns the checked recipe or mixture of a TOML text. Relative paths in the text begin at ``folder``. Relative paths in
    ``settings`` begin at the working directory."""
    values = parse_toml(text, where=where)
    if "mixture" in values:
        return _mixture(values, where, folder, list(settings))
    return _recipe(values, where, folder, settings)


def stored_recipe(text: str, files: Mapping[str, str], *, where: str) -> Recipe | Mixture:
    """Returns the recipe of a TOML text that is stored with a dataset. The dataset can come from a stranger, so no path in the
    text is opened.

    ``files``: the paths that the user names, by key: ``response.decode``, or ``street.kernels`` in a mixture. A file is used only
    if it has the sha256 that is stored with the recipe. Raises :class:`UsageError`, which says what to name.
    """
    values = parse_toml(text, where=where)
    table, parts = values.get("mixture"), values.get("recipes", {})
    if table is None:
        _name_files(values, "", dict(files), where)
        return _recipe(values, where, None, ())
    whole = isinstance(table, dict) and isinstance(parts, dict) and parts.keys() == table.keys()
    require(whole, f"{where}: [recipes] must hold each recipe of the mixture")
    rest = dict(files)
    for label, part in parts.items():
        require(isinstance(part, dict), f"{where}: recipes.{label} is a table, got {part!r:.60}")
        inner = {key: rest.pop(key) for key in files if key.startswith(f"{label}.")}
        _name_files(part, f"{label}.", inner, where)
    require(not rest, f"--file {next(iter(rest), '')}: the mixture has no recipe of this name; it has {', '.join(parts)}")
    return _mixture(values, where, None, [])


def _name_files(values: dict[str, Any], prefix: str, files: dict[str, str], where: str) -> None:
    """Replaces each path in the values of a stored recipe by a path that the user names, after its sha256 is compared."""
    digests = values.get("files", {})
    require(isinstance(digests, dict), f"{where}: files is a table of digests, got {digests!r:.60}")
    plain = {key: value for key, value in values.items() if key != "files"}
    named = from_dict(Recipe, plain, where=where).named_files()
    for key in files:
        inner = key.removeprefix(prefix)
        require(inner in named, f"--file {key}: the recipe names no such file; it names {', '.join(named) or 'none'}")
    for key, stored in named.items():
        option = f"--file {prefix}{key}=PATH"
        problem = f"{where}: the recipe reads a file, {prefix}{key} = {stored!r:.100}; files that a dataset names are not opened"
        require(prefix + key in files, f"{problem}, so name your copy of it with {option}")
        digest = digests.get(key)
        require(isinstance(digest, str), f"{where}: the recipe has no sha256 of its file {prefix}{key}, so it is not used")
        path = files[prefix + key]
        require(digest == file_digest(path), f"{path} is not the original: its sha256 differs; name the original with {option}")
        assign(values, key, path)


def _recipe(values: dict[str, Any], where: str, folder: Path | None, settings: Iterable[str]) -> Recipe:
    digests = values.pop("files", {})
    recipe = from_dict(Recipe, values, where=where)
    if folder is not None:
        for key, value in recipe.named_files().items():
            if (folder / value).is_file() or (key == "kernels" and (folder / value).is_dir()):
                recipe = with_value(recipe, key, str(folder / value), where=where)
    recipe = with_settings(recipe, list(settings)).check()
    for key, path in recipe.files().items():
        if key in digests and digests[key] != file_digest(path):
            raise UsageError(f"{where}: {path} is not the original: its sha256 differs; name the original by --set {key}=FILE")
    return recipe


def _mixture(values: dict[str, Any], where: str, folder: Path | None, settings: list[str]) -> Mixture:
    for key in values:
        known = ", ".join(_MIXTURE_KEYS)
        require(key in _MIXTURE_KEYS, f"{where}: unknown key {key!r}{nearest(key, _MIXTURE_KEYS)}; a mixture takes {known}")
    table = values["mixture"]
    require(isinstance(table, dict), f"{where}: [mixture] is a table of recipes and their weights, got {table!r}")
    names = {Path(name).stem if name.endswith(".toml") else name: name for name in table}
    require(len(names) == len(table), f"{where}: two recipes of the mixture have the same name; rename a file")
    weights = {label: table[name] for label, name in names.items()}
    part_settings: dict[str, list[str]] = {label: [] for label in names}
    for setting in settings:
        first, _, rest = setting.partition(".")
        if first == "mixture":
            label, weight = (text.strip() for text in rest.partition("=")[::2])
            require(label in weights, f"--set {setting}: the mixture has no recipe {label!r}{nearest(label, weights)}")
            weights[label] = parse_value(weight)
        else:
            for label, changes in part_settings.items():
                if first == label or first not in part_settings:
                    changes.append(rest if first == label else setting)
    stored = values.get("recipes", {})
    parts = [_part(name, stored.get(label), f"{where}, {label}", folder, part_settings[label]) for label, name in names.items()]
    name, summary, provenance = (str(values.get(key, "")) for key in ("name", "summary", "provenance"))
    return Mixture(name or "mixture", summary, provenance, tuple(names), tuple(weights.values()), tuple(parts)).check()


def _part(name: str, stored: dict[str, Any] | None, where: str, folder: Path | None, settings: list[str]) -> Recipe:
    if stored is not None:
        return _recipe(dict(stored), where, folder, settings)
    beside = (folder or Path()) / name
    text, its_folder = named_text("blurkit", str(beside) if name.endswith(".toml") and beside.is_file() else name)
    values = tomllib.loads(text)
    require("mixture" not in values, f"{where}: a mixture cannot contain a mixture; name its recipes instead")
    return _recipe(values, where, its_folder, settings)
