"""``trainer recipes``: list the recipes, or print one."""

from __future__ import annotations

import itertools
import json
import shutil
import textwrap
from collections import Counter
from collections.abc import Mapping

from blurkit.errors import OK
from blurkit.program.toml import print_toml
from trainer.config import DEFAULT, TrainingRecipe, load_recipe, recipe_names

_FOOT = """\
Begin with quick. For good restorations, train nafnet on a GPU. The others train published works; `trainer table` compares them.
`trainer run --recipe NAME` trains a recipe, and `trainer recipes NAME` prints it with its sources."""


def recipes(name: str | None, settings: tuple[str, ...], *, as_json: bool) -> int:
    """List the recipes in the package, or print one as complete TOML with settings applied. Returns the exit code."""
    if name is None:
        _list(as_json=as_json)
    else:
        print_toml(load_recipe(name, settings).toml(), as_json=as_json)
    return OK


def _list(*, as_json: bool) -> None:
    """Print name and summary of each recipe under its system, our own first, or the same with the provenance as JSON."""
    known = [load_recipe(name) for name in recipe_names()]
    if as_json:
        keys = ("name", "system", "summary", "provenance")
        print(json.dumps([{key: getattr(recipe, key) for key in keys} for recipe in known], ensure_ascii=False))
        return
    own = load_recipe(DEFAULT).system
    known.sort(key=lambda recipe: (recipe.system != own, recipe.system.lower()))
    families = {part for part, count in Counter(map(_first_part, known)).items() if count > 1}
    headings = {recipe.name: part if (part := _first_part(recipe)) in families else recipe.system for recipe in known}
    for heading, members in itertools.groupby(known, lambda recipe: headings[recipe.name]):
        print(heading)
        _print_members({recipe.name: recipe.summary.removeprefix(f"{heading}, ").removesuffix(".") for recipe in members})
        print()
    print(_FOOT)


def _first_part(recipe: TrainingRecipe) -> str:
    """The first part of a summary. The recipes of a family share it."""
    return recipe.summary.partition(", ")[0]


def _print_members(summaries: Mapping[str, str]) -> None:
    """Print names, and beside them their summaries in lines as long as the terminal is wide."""
    names = {name: f"{name} (the default)" if name == DEFAULT else name for name in summaries}
    column = max(map(len, names.values())) + 4
    wide = min(max(shutil.get_terminal_size((110, 24)).columns, column + 40), 130)
    for name, summary in summaries.items():
        print(textwrap.fill(summary, wide, initial_indent=f"  {names[name]}".ljust(column), subsequent_indent=" " * column))
