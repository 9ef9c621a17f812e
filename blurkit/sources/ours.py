"""Knows what blurkit and trainer wrote: such folders and pictures lie among photographs, and are none."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection

from blurkit.program.origin import is_file_with, made_here
from blurkit.shard.documents import INDEX, PLAN
from blurkit.shard.own_files import how_known

#: Names that commands give to their pictures. Only such files are opened while a source is listed; a file that is broken may do
#: harm to the process that opens it, and opening a million takes minutes. Other pictures are known when they are decoded.
_PICTURES = frozenset(("preview.png", "examples.jpg", "sheet.png", "validation.png", "curves.png", "restored.png"))


def is_output(folder: str, names: Collection[str]) -> bool:
    """Whether a folder holds a dataset of blurkit, or a run of trainer. ``names``: those of its entries.

    The content decides, because other programs write files of these names too. Files that cannot be read are not ours.
    """
    known = {PLAN: how_known(PLAN), INDEX: how_known(INDEX), "recipe.toml": _is_run}
    there = ((os.path.join(folder, name), check) for name, check in known.items() if name in names)
    return any(check is not None and is_file_with(path, check) for path, check in there)


def is_picture(path: str) -> bool:
    """Whether a file has the usual name of a picture of blurkit or trainer, and their mark."""
    return os.path.basename(path) in _PICTURES and made_here(path)


def _is_run(opening: bytes) -> bool:
    """Whether this is the recipe that a run of trainer writes into its folder."""
    try:
        recipe = tomllib.loads(opening.decode())
    except (ValueError, RecursionError):  # of another program, or damaged
        return False
    return {"steps", "batch", "crop", "generator"} <= recipe.keys() and isinstance(recipe["generator"], dict)
