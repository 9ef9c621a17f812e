"""The command that makes a dataset again, found from the configuration that is stored with it."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

from blurkit.program.toml import from_dict, to_dict, to_toml
from blurkit.recipes.load import packaged_text, recipe_names
from blurkit.recipes.recipe import Recipe
from blurkit.shard.index import DEFAULT_SHARD_BYTES
from blurkit.sources.open import SOURCES

#: What a recipe says of itself changes no pixel.
_WORDS = ("name", "summary", "provenance")

#: How photographs are chosen unless somebody says otherwise.
_USUAL = {"split": "all", "shares": "80,10,10", "limit": [], "weight": [], "license": "all", "annotations": "newest"}

#: As many settings as a person would give on the command line; a recipe that differs more is given as a file.
_MOST_SETTINGS = 6

RECIPE_FILE = "recipe.toml"


def command_line(configuration: dict[str, Any]) -> str:
    """The command, one option to a line, without any path: ``DIR`` stands for the place of photographs of one's own."""
    return " \\\n    ".join(("blurkit generate", *(shlex.join(words) for words in _options(configuration))))


def recipe_toml(configuration: dict[str, Any]) -> str:
    """The recipe of a dataset, in full, as TOML."""
    return to_toml(configuration["recipe"])


def needs_recipe_file(configuration: dict[str, Any]) -> bool:
    """Whether the command asks for the recipe as a file, :data:`RECIPE_FILE`."""
    return _settings(configuration["recipe"]) is None


def _options(configuration: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    configuration = _USUAL | configuration
    names = list(configuration["images_of"])
    for name in names:
        yield "--src", name
    for name in (name for name in names if name in ("folder", "video")):
        yield "--root", "DIR" if len(names) == 1 else f"{name}=DIR"
    if configuration["split"] != "all":
        yield "--split", configuration["split"]
        if set(names) - (SOURCES.keys() - {"folder", "video"}):
            yield "--shares", configuration["shares"]
    yield from (("--limit", limit) for limit in configuration["limit"])
    yield from (("--weight", weight) for weight in configuration["weight"])
    for key in ("license", "annotations"):
        if configuration[key] != _USUAL[key]:
            yield f"--{key}", configuration[key]
    yield from _recipe(configuration)
    yield "--size", configuration["size"]
    for key, usual in (("per_image", 1), ("downscale", 1), ("min_sharpness", 0)):
        if configuration[key] != usual:
            yield f"--{key.replace('_', '-')}", str(configuration[key])
    if configuration["masks"]:
        yield ("--masks",)
    yield "--seed", str(configuration["seed"])


def _recipe(configuration: dict[str, Any]) -> Iterator[tuple[str, str]]:
    settings = _settings(configuration["recipe"])
    yield "--recipe", RECIPE_FILE if settings is None else configuration["recipe"]["name"]
    yield from (("--set", setting) for setting in settings or ())
    if configuration["shard_bytes"] != DEFAULT_SHARD_BYTES:
        yield "--set", f"shard_bytes={configuration['shard_bytes']}"


def _settings(recipe: dict[str, Any]) -> list[str] | None:
    """How a recipe differs from the packaged one of its name, as KEY=VALUE; ``None`` where it is one of its own."""
    if recipe["name"] not in recipe_names() or "mixture" in recipe:
        return None
    ours, theirs = dict(recipe), _packaged(recipe["name"])
    ours.pop("files", None)
    if ours.get("kernels"):
        theirs.pop("trajectory", None)  # kernels of a bank come instead
    settings = []
    for key in (key for key in {**theirs, **ours} if key not in _WORDS and ours.get(key) != theirs.get(key)):
        if key not in ours:
            settings.append(f"{key}=none")
        elif isinstance(ours[key], dict):
            inner = theirs.get(key, {})
            settings += [f"{key}.{name}={_text(value)}" for name, value in ours[key].items() if inner.get(name) != value]
        else:
            settings.append(f"{key}={_text(ours[key])}")
    return settings if len(settings) <= _MOST_SETTINGS else None


def _packaged(name: str) -> dict[str, Any]:
    """A packaged recipe with its defaults filled in, in the types that TOML has."""
    values = to_dict(from_dict(Recipe, tomllib.loads(packaged_text(name)), where=f"recipe {name}"))
    return dict(json.loads(json.dumps(values)))


def _text(value: Any) -> str:
    return to_toml({"value": value}).removeprefix("value = ").rstrip("\n")
