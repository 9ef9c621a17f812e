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

#: The mark of a picture is in the first bytes, because it comes before other metadata. All suffixes that pictures of ours have.
_HEAD, _PICTURES = 4096, (".png", ".jpg", ".jpeg")

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
    """Whether a file is a picture that blurkit or trainer drew. It is opened, which takes 10 microseconds on a local disk."""
    if not path.lower().endswith(_PICTURES):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # decoding it will say why
        return False
    try:
        return b"blurkit" in os.read(descriptor, _HEAD) and made_here(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)


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
