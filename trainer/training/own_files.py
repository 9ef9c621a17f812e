"""Which files in the folder of a run are the run's own. A name is not enough: the content has to be what the trainer writes.

Somebody may have pointed ``--out`` at a folder of his own, and a run replaces files and deletes checkpoints.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.program.origin import OPENING, Recognise, is_file_with, made_here, require_replaceable
from blurkit.program.toml import parse_toml, to_dict, to_toml
from trainer.config import TrainingRecipe, parse_recipe
from trainer.training.checkpoint import BEST, FOLDER, RECIPE, list_checkpoints

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


def is_weights(opening: bytes) -> bool:
    """Whether a file of weights begins like one that the trainer writes."""
    return opening[8:].startswith(b'{"__metadata__":{"blurkit":"')


def _is_checkpoint(opening: bytes) -> bool:
    return re.match(rb"trainer-checkpoint \d+ [0-9a-f]{64}\n", opening) is not None


def _is_old_checkpoint(opening: bytes) -> bool:
    return opening.startswith(b"trainer-checkpoint 1 ") and _is_checkpoint(opening)


_KNOWN: dict[str, Recognise] = {
    RECIPE: _is_recipe,
    "metrics.jsonl": lambda opening: _METRICS.match(opening) is not None,
    "validation.png": made_here,
    "curves.png": made_here,
    "generator.safetensors": is_weights,
    "generator.json": lambda opening: _DESCRIPTION.match(opening) is not None,
    "best/generator.safetensors": is_weights,
    "best/generator.json": lambda opening: _DESCRIPTION.match(opening) is not None,
}


def _is_old_recipe(opening: bytes) -> bool:
    """Whether this is a complete recipe in the form in which the trainer writes it. Before version 2 of the checkpoints it had no
    first line of its own, and it may lack keys that are younger."""
    try:
        text = opening.decode()
        values = parse_toml(text, where="")
        complete = to_dict(parse_recipe(text, where="")).keys() - values.keys() <= {"system", "pretrain"}
        return _is_recipe(opening) or (complete and to_toml(values) == text)
    except (UnicodeDecodeError, UsageError):
        return False


def _is_old_picture(opening: bytes) -> bool:
    """Whether Matplotlib has drawn this picture. Before version 2 of the checkpoints the pictures of a run had no other mark."""
    return made_here(opening) or b"tEXtSoftware\0Matplotlib" in opening[:4096]


#: How files are known in the folder of a run that began with checkpoints of version 1.
_KNOWN_OLD = {RECIPE: _is_old_recipe, "validation.png": _is_old_picture, "curves.png": _is_old_picture}


def require_own(out: Path) -> None:
    """Raise :class:`UsageError` if a run in this folder would replace or delete somebody else's file, or write through a link."""
    for folder in (out / FOLDER, out / "best", out / "tensorboard"):
        if folder.is_symlink():
            raise UsageError(f"{folder} is a symbolic link, and nothing is written through it; {_ADVICE.format(them='it')}")
    checkpoints = dict.fromkeys([*list_checkpoints(out), out / FOLDER / BEST], _is_checkpoint)
    old = any(is_file_with(path, _is_old_checkpoint) for path in checkpoints)
    files = _KNOWN | _KNOWN_OLD if old else _KNOWN
    require_replaceable({**{out / name: known for name, known in files.items()}, **checkpoints}, _ADVICE)
