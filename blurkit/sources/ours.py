"""Knows what blurkit and trainer wrote: such folders and pictures lie among photographs, and are none."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Collection
from typing import Any

from blurkit.errors import UnreadableFileError
from blurkit.program.files import read_regular
from blurkit.program.origin import made_here
from blurkit.shard.documents import INDEX, PLAN

#: Names that commands give to their pictures. Only such files are opened while a source is listed; a file that is broken may do
#: harm to the process that opens it, and opening a million takes minutes. Other pictures are known when they are decoded.
_PICTURES = frozenset(("preview.png", "examples.jpg", "sheet.png", "validation.png", "curves.png", "restored.png"))

#: A larger file of these names is none of ours, except for an index, of which the beginning tells.
_MOST_BYTES = 1 << 20

#: The beginning of every index.
_INDEX = re.compile(rb'\{\s*"format": "blurkit-dataset"')


def is_output(folder: str, names: Collection[str]) -> bool:
    """Whether a folder holds a dataset of blurkit, or a run of trainer. ``names``: those of its entries.

    The content decides, because other programs write files of these names too. Files that cannot be read are not ours.
    """
    return any(name in names and check(os.path.join(folder, name)) for name, check in _CHECKS.items())


def is_picture(path: str) -> bool:
    """Whether a file has the usual name of a picture of blurkit or trainer, and their mark."""
    return os.path.basename(path) in _PICTURES and made_here(path)


def _is_plan(path: str) -> bool:
    plan = _parsed(path, json.loads)
    return _has(plan, "configuration", "roots", "files") and _has(plan["configuration"], "images_digest", "recipe", "versions")


def _is_index(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(_INDEX.match(file.read(256)))
    except OSError:
        return False


def _is_run(path: str) -> bool:
    """Whether this is the recipe that a run of trainer writes into its folder."""
    recipe = _parsed(path, tomllib.loads)
    return _has(recipe, "steps", "batch", "crop", "generator") and _has(recipe["generator"], "name")


_CHECKS: dict[str, Callable[[str], bool]] = {PLAN: _is_plan, INDEX: _is_index, "recipe.toml": _is_run}


def _parsed(path: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(read_regular(path, most=_MOST_BYTES, follow_links=False).decode())
    except (UnreadableFileError, ValueError, RecursionError):  # of another program, or damaged
        return None


def _has(values: Any, *keys: str) -> bool:
    return isinstance(values, dict) and all(key in values for key in keys)
