"""Which files in the folder of a run are the run's own. A name is not enough: the content has to be what the trainer writes.

Somebody may have pointed ``--out`` at a folder of his own, and a run replaces files and deletes checkpoints.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.program.origin import OPENING, Recognise, made_here, require_replaceable
from trainer.config import TrainingRecipe
from trainer.training.checkpoint import BEST, FOLDER, list_checkpoints

_ADVICE = "nothing was changed: move {them} away, or choose another --out"
_RECIPE = re.compile(rb"# Written by trainer run; sha256 of what follows: ([0-9a-f]{64})\n(.*)", re.DOTALL)
_METRICS = re.compile(rb'\{"step": \d+, "seconds": [0-9]')
_DESCRIPTION = re.compile(rb'\s*\{\s*"generator":\s*\{.*"digest":\s*"[0-9a-f]{64}"', re.DOTALL)


def recipe_file(recipe: TrainingRecipe) -> bytes:
    """The content of ``recipe.toml``. A digest in its first line shows that nobody has edited it since."""
    text = recipe.toml().encode()
    return f"# Written by trainer run; sha256 of what follows: {hashlib.sha256(text).hexdigest()}\n".encode() + text


def _is_recipe(opening: bytes) -> bool:
    match = _RECIPE.fullmatch(opening)
    return match is not None and (len(opening) == OPENING or hashlib.sha256(match[2]).hexdigest().encode() == match[1])


def _is_weights(opening: bytes) -> bool:
    return opening[8:].startswith(b'{"__metadata__":{"blurkit":"')


def _is_checkpoint(opening: bytes) -> bool:
    return re.match(rb"trainer-checkpoint \d+ [0-9a-f]{64}\n", opening) is not None


_KNOWN: dict[str, Recognise] = {
    "recipe.toml": _is_recipe,
    "metrics.jsonl": lambda opening: _METRICS.match(opening) is not None,
    "validation.png": made_here,
    "curves.png": made_here,
    "generator.safetensors": _is_weights,
    "generator.json": lambda opening: _DESCRIPTION.match(opening) is not None,
    "best/generator.safetensors": _is_weights,
    "best/generator.json": lambda opening: _DESCRIPTION.match(opening) is not None,
}


def require_own(out: Path) -> None:
    """Raise :class:`UsageError` if a run in this folder would replace or delete somebody else's file, or write through a link."""
    for folder in (out / FOLDER, out / "best", out / "tensorboard"):
        if folder.is_symlink():
            raise UsageError(f"{folder} is a symbolic link, and nothing is written through it; {_ADVICE.format(them='it')}")
    checkpoints = dict.fromkeys([*list_checkpoints(out), out / FOLDER / BEST], _is_checkpoint)
    require_replaceable({**{out / name: known for name, known in _KNOWN.items()}, **checkpoints}, _ADVICE)
