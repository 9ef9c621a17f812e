"""``blurkit recipes``: what can be made."""

from __future__ import annotations

import json
import tomllib

from blurkit.errors import OK
from blurkit.recipe_files import DEFAULT, load_recipe, packaged_text, recipe_names


def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes in the package, or print one as TOML with settings applied. Returns the exit code."""
    if name is not None:
        as_packaged = name in recipe_names() and not settings  # `bank` cannot be loaded before a bank is named
        text = packaged_text(name) if as_packaged else load_recipe(name, settings).portable_toml()
        print(json.dumps(tomllib.loads(text), ensure_ascii=False) if as_json else text.rstrip())
        return OK
    described = [tomllib.loads(packaged_text(known)) for known in recipe_names()]
    if as_json:
        keys = ("name", "summary", "provenance")
        print(json.dumps([{key: values[key] for key in keys} for values in described], ensure_ascii=False))
        return OK
    for values in described:
        default = " (the default)" if values["name"] == DEFAULT else ""
        print(f"{values['name']}{default}\n    {values['summary']}\n    {values['provenance']}")
    return OK
