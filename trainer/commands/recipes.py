"""``trainer recipes``: list the recipes, or print one."""

from __future__ import annotations

import itertools
import json

from blurkit.errors import OK
from blurkit.program.toml import print_toml
from trainer.config import DEFAULT, load_recipe, recipe_names


def recipes(name: str | None, settings: tuple[str, ...], *, as_json: bool) -> int:
    """List the recipes in the package, or print one as complete TOML with settings applied. Returns the exit code."""
    if name is None:
        _list(as_json=as_json)
    else:
        print_toml(load_recipe(name, settings).toml(), as_json=as_json)
    return OK


def _list(*, as_json: bool) -> None:
    """Print name and summary of each recipe under its system, or the same with the provenance as JSON."""
    known = [load_recipe(name) for name in recipe_names()]
    if as_json:
        keys = ("name", "system", "summary", "provenance")
        print(json.dumps([{key: getattr(recipe, key) for key in keys} for recipe in known], ensure_ascii=False))
        return
    for system, members in itertools.groupby(
        sorted(known, key=lambda recipe: recipe.system.lower()), lambda recipe: recipe.system
    ):
        print(system)
        for recipe in members:
            print(f"  {recipe.name}{' (the default)' if recipe.name == DEFAULT else ''}\n      {recipe.summary}")
    print("`trainer recipes NAME` prints a recipe with its sources.")
