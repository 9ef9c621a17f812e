"""The command that makes a dataset again, found from the configuration that is stored with it."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import Any

from blurkit.program.toml import from_dict, to_dict, to_toml
from blurkit.recipes.load import packaged_text, recipe_names
from blurkit.recipes.recipe import Recipe
from blurkit.shard.index import DEFAULT_SHARD_BYTES
from blurkit.sources.open import SOURCES

#: What a recipe says of itself changes no pixel.
_WORDS = ("name", "summary", "provenance")

#: The options of a command in their order, each with the value at which it is left out; ``None``: it is given always.
_OPTIONS: dict[str, Any] = {
    **{"src": None, "root": [], "split": "all", "shares": "", "limit": [], "weight": [], "license": "all"},
    **{"annotations": "newest", "recipe": None, "set": [], "size": None, "per_image": 1, "downscale": 1, "min_sharpness": 0},
    **{"masks": False, "seed": None},
}

#: As many settings as a person would give on the command line; a recipe that differs more is given as a file.
_MOST_SETTINGS = 6

RECIPE_FILE = "recipe.toml"


def command_line(configuration: dict[str, Any]) -> str:
    """The command, one option to a line, without any path: ``DIR`` stands for the place of photographs of one's own, and
    :data:`RECIPE_FILE` for a recipe that is more than a packaged one with a few settings."""
    values = _OPTIONS | configuration
    recipe, names = configuration["recipe"], list(configuration["images_of"])
    own = [name for name in names if name in ("folder", "video")]
    if values["split"] == "all" or not (own or set(names) - SOURCES.keys()):
        values["shares"] = ""  # nothing is split by them
    settings = _settings(recipe)
    shard_bytes = configuration["shard_bytes"]
    values["src"] = names
    values["root"] = ["DIR" if len(names) == 1 else f"{name}=DIR" for name in own]
    values["recipe"] = RECIPE_FILE if settings is None else recipe["name"]
    values["set"] = [*(settings or ()), *([f"shard_bytes={shard_bytes}"] if shard_bytes != DEFAULT_SHARD_BYTES else ())]
    lines = ["blurkit generate"]
    for key, usual in _OPTIONS.items():
        option, value = f"--{key.replace('_', '-')}", values[key]
        if value is True:
            lines.append(option)
        elif value != usual:
            lines += [shlex.join((option, str(each))) for each in (value if isinstance(value, list) else [value])]
    return " \\\n    ".join(lines)


def _settings(recipe: dict[str, Any]) -> list[str] | None:
    """How a recipe differs from the packaged one of its name, as KEY=VALUE; ``None`` where it is one of its own."""
    if recipe["name"] not in recipe_names() or "mixture" in recipe:
        return None
    packaged = from_dict(Recipe, tomllib.loads(packaged_text(recipe["name"])), where=f"recipe {recipe['name']}")
    ours, theirs = dict(recipe), json.loads(json.dumps(to_dict(packaged)))  # with lists, as TOML has, for tuples
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


def _text(value: Any) -> str:
    return to_toml({"value": value}).removeprefix("value = ").rstrip("\n")
