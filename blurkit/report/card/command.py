"""Writes the command that makes a dataset again, from the configuration that is stored with the dataset."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import Any

from blurkit.program.toml import from_dict, to_dict, to_toml
from blurkit.recipes.load import packaged_text, recipe_names
from blurkit.recipes.recipe import Recipe
from blurkit.shard.documents import DEFAULT_SHARD_BYTES
from blurkit.sources.known.mapillary import VERSIONS
from blurkit.sources.open import SOURCES
from blurkit.sources.selection import annotations_owner

#: The texts of a recipe. They do not change a pixel.
_WORDS = ("name", "summary", "provenance")

#: Option -> the value at which it is left out of the command, in the order of the command. ``None``: it is never left out.
_OPTIONS: dict[str, Any] = {
    **{"src": None, "root": [], "split": "all", "shares": "", "limit": [], "weight": [], "license": "all"},
    **{"annotations": "newest", "recipe": None, "set": [], "size": None, "per_image": 1, "downscale": 1, "min_sharpness": 0},
    **{"masks": False, "seed": None, "store": "pairs"},
}

#: The same for imported pairs.
_IMPORT: dict[str, Any] = {
    **{"blurred": "", "sharp": "", "side_by_side": False, "licence": "", "set": [], "split": "all", "limit": []},
    **{"size": "full", "per_image": 1, "downscale": 1, "seed": None},
}

#: A recipe with more changed values than this is given as a file, since the command would be hard to read.
_MOST_SETTINGS = 6

RECIPE_FILE = "recipe.toml"


def command_line(configuration: dict[str, Any]) -> str:
    """Returns the command, one option per line. It contains no path of this machine.

    ``DIR`` stands for the folder of the user's own photographs, ``TABLE`` for the file that lists them. :data:`RECIPE_FILE`
    stands for a recipe that is not a packaged recipe with a few changed values.
    """
    values = _OPTIONS | configuration
    recipe, names = configuration["recipe"], list(configuration["images_of"])
    file = values["annotations"] if values["annotations"] not in ("newest", *VERSIONS) else None  # lists a folder of images
    owner = annotations_owner(file, names)
    own = [name for name in names if name in ("folder", "pairs", "table", "video") or name == owner]
    if values["split"] == "all" or not (own or set(names) - SOURCES.keys()):
        values["shares"] = ""  # no source is split by shares
    settings = _settings(recipe)
    shard_bytes = configuration["shard_bytes"]
    values["src"] = names
    places = {name: "TABLE" if name == "table" and name != owner else "DIR" for name in own}
    values["root"] = [place if len(names) == 1 else f"{name}={place}" for name, place in places.items()]
    values["recipe"] = RECIPE_FILE if settings is None else recipe["name"]
    values["set"] = [*(settings or ()), *([f"shard_bytes={shard_bytes}"] if shard_bytes != DEFAULT_SHARD_BYTES else ())]
    imported = names == ["pairs"] and values["recipe"] == "real" and not values["min_sharpness"]
    lines = ["blurkit import DIR" if imported else "blurkit generate"]
    for key, usual in (_IMPORT if imported else _OPTIONS).items():
        option, value = f"--{key.replace('_', '-')}", values.get(key, usual)
        if value is True:
            lines.append(option)
        elif value != usual:
            lines += [shlex.join((option, str(each))) for each in (value if isinstance(value, list) else [value])]
    return " \\\n    ".join(lines)


def _settings(recipe: dict[str, Any]) -> list[str] | None:
    """Returns the changes to the packaged recipe of the same name, as KEY=VALUE.

    ``None`` if there is no packaged recipe of this name, or if there are more than :data:`_MOST_SETTINGS` changes.
    """
    if recipe["name"] not in recipe_names() or "mixture" in recipe:
        return None
    packaged = from_dict(Recipe, tomllib.loads(packaged_text(recipe["name"])), where=f"recipe {recipe['name']}")
    ours, theirs = dict(recipe), json.loads(json.dumps(to_dict(packaged)))  # JSON turns tuples into lists, as in TOML
    ours.pop("files", None)
    if ours.get("kernels"):
        theirs.pop("trajectory", None)  # a recipe with a bank has no trajectory
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
    """A value as TOML."""
    return to_toml({"value": value}).removeprefix("value = ").rstrip("\n")
