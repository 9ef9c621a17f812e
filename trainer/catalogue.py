"""The recipes in the package. A file holds one recipe, or a family: a template, and parts that are combined with it.

A recipe with ``extends`` takes each value that it does not say from another recipe of the package; "none" drops a table of that
recipe. In a family each table of the array ``variants`` holds parts by name. One part of each table together make a recipe,
``FILE-PART-PART``; a part whose name is empty adds nothing to the name. A part may list other parts of its table in ``with``,
which come before it. Texts of parts are added to those of the template.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

from blurkit.errors import nearest
from blurkit.program.checks import require
from blurkit.program.toml import packaged_names, packaged_text, parse_toml

Values = dict[str, Any]

#: The texts of a recipe, and what stands between the texts of a template and its parts.
_TEXTS = {"summary": ", ", "provenance": " "}


@functools.cache
def catalogue() -> Mapping[str, Values]:
    """Returns the values of each recipe of the package by its name, in the order of files. :func:`extended` completes them."""
    found: dict[str, Values] = {}
    for file in packaged_names("trainer"):
        template = parse_toml(packaged_text("trainer", file), where=f"recipe {file}")
        tables = template.pop("variants", [])
        for parts in itertools.product(*tables):
            name, values = "-".join(filter(None, (file, *parts))), template
            for table, part in zip(tables, parts, strict=True):
                values = _with_part(values, table, part)
            found[name] = {"name": name, **values} | ({"summary": f"{values['summary']}."} if tables else {})
    return found


def extended(values: Values, *, where: str) -> Values:
    """Returns the values of a recipe with those that it takes from another by its key ``extends``. Raises UsageError."""
    name = values.get("extends")
    if name is None:
        return values
    known = catalogue()
    require(name in known, f"{where}: extends an unknown recipe {name!r}{nearest(str(name), known)} (known: {', '.join(known)})")
    base = extended(known[name], where=f"recipe {name}")
    return _overlaid(base, {key: value for key, value in values.items() if key != "extends"})


def _with_part(values: Values, table: Mapping[str, Values], name: str) -> Values:
    part = dict(table[name])
    for other in part.pop("with", ()):
        values = _with_part(values, table, other)
    texts = {key: between.join(filter(None, (values.get(key), part[key]))) for key, between in _TEXTS.items() if key in part}
    return _overlaid(values, part | texts)


def _overlaid(base: Values, values: Values) -> Values:
    """The values, and those of ``base`` that they leave. A table is overlaid key by key, unless it names another network."""
    result = {**base, **values}
    for key, value in values.items():
        before = base.get(key)
        if isinstance(before, dict) and value == "none":
            del result[key]
        elif isinstance(before, dict) and value.get("name", before.get("name")) == before.get("name"):
            result[key] = {**before, **value}
    return result
