"""``trainer recipes``: what can be trained."""

from __future__ import annotations

import json
import tomllib

from blurkit.configuration import packaged_text
from blurkit.errors import OK
from trainer.config import DEFAULT, load_recipe, recipe_names


def recipes(name: str | None, settings: tuple[str, ...], *, as_json: bool) -> int:
    """List the recipes in the package, or print one as TOML, complete and with settings applied. Returns the exit code."""
    if name is not None:
        text = load_recipe(name, settings).toml()
        print(json.dumps(tomllib.loads(text), ensure_ascii=False) if as_json else text.rstrip())
        return OK
    described = [tomllib.loads(packaged_text("trainer", known)) for known in recipe_names()]
    if as_json:
        keys = ("name", "summary", "provenance")
        print(json.dumps([{key: values[key] for key in keys} for values in described], ensure_ascii=False))
        return OK
    for values in described:
        default = " (the default)" if values["name"] == DEFAULT else ""
        print(f"{values['name']}{default}\n    {values['summary']}\n    {values['provenance']}")
    return OK
