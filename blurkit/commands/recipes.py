"""``blurkit recipes``: lists the recipes in the package, or prints one."""

from __future__ import annotations

from blurkit.errors import OK
from blurkit.program.options import print_recipes, print_toml
from blurkit.recipes.load import DEFAULT, load_recipe, packaged_text, recipe_names


def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes in the package, or print one as TOML with the settings applied. Returns the exit code."""
    if name is None:
        print_recipes("blurkit", DEFAULT, as_json=as_json)
        return OK
    as_packaged = name in recipe_names() and not settings  # the recipe `bank` cannot be loaded until a bank is set
    print_toml(packaged_text(name) if as_packaged else load_recipe(name, settings).portable_toml(), as_json=as_json)
    return OK
