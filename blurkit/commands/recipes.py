"""``blurkit recipes``: lists the recipes in the package, or prints one."""

from __future__ import annotations

import json
import tomllib

from blurkit.errors import OK
from blurkit.program.toml import print_toml
from blurkit.recipes.load import DEFAULT, load_recipe, packaged_text, recipe_names


def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes in the package, or print one as TOML with the settings applied. Returns the exit code."""
    if name is None:
        _list(as_json=as_json)
        return OK
    as_packaged = name in recipe_names() and not settings  # the recipe `bank` cannot be loaded until a bank is set
    print_toml(packaged_text(name) if as_packaged else load_recipe(name, settings).portable_toml(), as_json=as_json)
    return OK


def _list(*, as_json: bool) -> None:
    """Print the name, summary and provenance of each recipe in the package."""
    described = [tomllib.loads(packaged_text(name)) for name in recipe_names()]
    if as_json:
        keys = ("name", "summary", "provenance")
        print(json.dumps([{key: values[key] for key in keys} for values in described], ensure_ascii=False))
        return
    for values in described:
        mark = " (the default)" if values["name"] == DEFAULT else ""
        print(f"{values['name']}{mark}\n    {values['summary']}\n    {values['provenance']}")
