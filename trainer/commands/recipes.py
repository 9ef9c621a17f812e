"""``trainer recipes``: list the recipes, or print one."""

from __future__ import annotations

from blurkit.errors import OK
from blurkit.program.options import print_recipes, print_toml
from trainer.config import DEFAULT, load_recipe


def recipes(name: str | None, settings: tuple[str, ...], *, as_json: bool) -> int:
    """List the recipes in the package, or print one as complete TOML with settings applied. Returns the exit code."""
    if name is None:
        print_recipes("trainer", DEFAULT, as_json=as_json)
    else:
        print_toml(load_recipe(name, settings).toml(), as_json=as_json)
    return OK
