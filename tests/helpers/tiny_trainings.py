"""The command ``trainer run`` in the process of the tests, on the pairs and the recipe of :mod:`tiny_runs`."""

from pathlib import Path
from typing import Any

from tiny_runs import RECIPE, write_pairs, write_recipe

from trainer.commands.run import RunOptions, run


def prepared(folder: Path, text: str = RECIPE) -> Path:
    """Write pairs and a recipe into a folder, and return the folder."""
    write_pairs(folder)
    write_recipe(folder, text)
    return folder


def train(place: Path, out: Path, *settings: str, **changes: Any) -> int:
    """Train on the pairs of a folder by its recipe, with other options for the command. Returns the exit code."""
    values = {"data": (place / "00000.h5",), "val": (), "recipe": str(place / "tiny.toml"), "device": "cpu"}
    return run(RunOptions(**{**values, "out": out, "settings": settings, "json": True, "quiet": True, **changes}))
