"""Writes and reads checkpoints. A checkpoint is one file with everything that a run needs to continue exactly.

    RUN/checkpoints/00001000.ckpt     the last two checkpoints
    RUN/checkpoints/best.ckpt         the checkpoint with the best validation

A file is written atomically. It holds a line ``trainer-checkpoint 2 SHA256`` and then the data that torch saved. The digest is
needed because torch loads a file with a flipped byte without an error. Loading runs no code (``weights_only``). Saving needs as
much memory as the size of the file.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from blurkit.errors import BlurkitError, UnreadableFileError, UsageError
from blurkit.program.checks import require
from blurkit.program.files import make_folder, open_regular, read_all, read_regular, remove_temporaries, replacing, write_all
from trainer.config import TrainingRecipe, parse_recipe

FOLDER, BEST = "checkpoints", "best.ckpt"
#: The recipe of a run, in its folder.
RECIPE = "recipe.toml"
KEPT = 2

_KIND = b"trainer-checkpoint "
_MAGIC, _OLD_MAGIC = _KIND + b"2 ", _KIND + b"1 "
_MOST_RECIPE_BYTES = 1 << 20
_NAME = re.compile(r"\d{8,}\.ckpt|best\.ckpt")


@dataclass(frozen=True)
class Origin:
    """Everything that decides the weights of a run. A run can only continue a checkpoint with the same origin, except that the
    pairs of a step may be divided differently among processes and parts.

    ``recipe``, ``data``: digests, that of the recipe without ``batch`` and ``accumulate``. ``device``: "cpu" or "cuda".
    ``threads``: the number of torch threads on the CPU, where sums are split among threads; 0 on a GPU. ``pairs``: the number of
    pairs of a step, over all processes. ``processes``: the number of processes that train together. ``parts``: the number of
    parts that the pairs of a step are computed in, over all processes. ``init``: the digest of the weights that the generator
    started from; empty if they were drawn.
    """

    recipe: str
    data: str
    device: str
    threads: int
    pairs: int
    processes: int
    parts: int
    init: str = ""

    @classmethod
    def of(cls, recipe: TrainingRecipe, *, data: str, device: str, threads: int, processes: int, init: str = "") -> Origin:
        """The origin of a run of a recipe."""
        pairs, parts = recipe.batch * processes, recipe.accumulate * processes
        return cls(digest_of(recipe), data, device, threads, pairs, processes, parts, init)

    def require_same(self, other: Origin, where: Path) -> bool:
        """Returns whether a run of origin ``other`` continues this one, of the checkpoint ``where``, to the byte, or to rounding.

        If samples do not depend on one another, another division of the same pairs changes the order of sums and the masks of
        dropout only; see :meth:`trainer.training.step.Step.require_independent_samples`.
        Raises :class:`UsageError` if the run cannot continue the checkpoint.
        """
        words = {"recipe": "another recipe", "data": "other training pairs", "device": f"--device {self.device}"}
        words["init"] = "other initial weights (it continues without --init)"
        same_division = (self.processes, self.parts) == (other.processes, other.parts)
        if self.processes == other.processes:
            words["threads"] = f"{self.threads} torch threads (OMP_NUM_THREADS={self.threads})"
        advice = "use the options of that run, choose another --out, or start again with --resume never"
        for key, text in words.items():
            problem = f"{where} was written by a run with {text}, so this run cannot continue it exactly"
            require(getattr(self, key) == getattr(other, key), f"{problem}; {advice}")
        batch, rest = divmod(self.pairs, other.processes)
        share = f"{other.processes} processes cannot share {self.pairs} pairs" if rest else f"use --set batch={batch}"
        problem = f"{where} was written by a run that trains on {self.pairs} pairs per step with {self.processes} processes"
        contrast = f"this run, with {other.processes}, trains on {other.pairs}"
        require(self.pairs == other.pairs, f"{problem}; {contrast}; {share}, or start again with --resume never")
        return same_division


def digest_of(recipe: TrainingRecipe, **changes: Any) -> str:
    """The digest of a recipe in an origin, with some values changed."""
    return replace(recipe, batch=1, accumulate=1, **changes).digest


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after ``step`` steps. ``consumed``: the consumed positions of the stream. ``validation``: the newest
    validation, with "step", "psnr", "psnr_blurred", "pairs", which identifies the pairs, and "best" and "best_step", the best
    PSNR of the run on these pairs and its step. ``state``: all tensors. No state of a random generator is needed, see
    :mod:`trainer.training.step`. ``losses``: the sum and the count of each loss since the last line of metrics, so that the next
    line does not depend on interruptions."""

    origin: Origin
    step: int
    consumed: int
    validation: dict[str, float]
    state: dict[str, Any]
    losses: dict[str, tuple[Tensor, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its file, unless it is the best."""
        return f"{self.step:08d}.ckpt"


def save(out: Path, checkpoint: Checkpoint, *, best: bool = False) -> None:
    """Write a checkpoint to the folder of a run, then remove all checkpoints but the last two and the best."""
    folder = out / FOLDER
    make_folder(folder)
    buffer = io.BytesIO()
    values = {**vars(checkpoint), "origin": vars(checkpoint.origin)}  # asdict would copy the tensors, and equal ones twice
    torch.save(_with_equal_texts_once(values), buffer)
    payload = buffer.getbuffer()
    with replacing(folder / (BEST if best else checkpoint.name)) as descriptor:
        write_all(descriptor, _head(payload))
        write_all(descriptor, payload)
    _remove_older(out)


def _with_equal_texts_once(value: Any) -> Any:
    """The same dictionaries, in which equal texts are one object. Pickle writes such a text once, so without this the bytes of a
    checkpoint would depend on whether the run was interrupted."""
    if isinstance(value, dict):
        return {_with_equal_texts_once(key): _with_equal_texts_once(item) for key, item in value.items()}
    return sys.intern(value) if isinstance(value, str) else value


def _remove_older(out: Path) -> None:
    for path in list_checkpoints(out)[KEPT:]:
        path.unlink()


def load(path: Path) -> Checkpoint:
    """Returns a checkpoint, on the CPU. Raises :class:`UsageError` for another file, :class:`BlurkitError` for a damaged one."""
    try:
        with open_regular(path) as descriptor:
            data = read_all(descriptor, os.fstat(descriptor).st_size)
    except UnreadableFileError as error:
        raise UsageError(f"--resume {path}: {error} Name a file in the folder {FOLDER}/ of a run") from error
    require(data.startswith(_KIND), f"{path} is not a checkpoint of the trainer; name a file in the folder {FOLDER}/ of a run")
    magic = next((magic for magic in (_MAGIC, _OLD_MAGIC) if data.startswith(magic)), None)
    if magic is None:
        raise UsageError(f"{path} was written by another version of the trainer; start again with --resume never")
    payload = memoryview(data)[len(_head(b"")) :]
    if not data.startswith(_head(payload, magic)):
        raise BlurkitError(f"{path} is damaged: its sha256 is not that of the data that was written")
    try:
        values = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        origin = Origin(**values["origin"]) if magic == _MAGIC else _old_origin(path, **values["origin"])
        return _checked(Checkpoint(**{**values, "origin": origin}))
    except UsageError:
        raise
    except Exception as error:  # for a manipulated file torch raises many types of errors
        reason = (str(error).splitlines() or [""])[0]
        raise BlurkitError(f"{path} holds no checkpoint ({type(error).__name__}: {reason})") from error


def _old_origin(path: Path, *, recipe: str, data: str, device: str, threads: int, processes: int) -> Origin:
    """The origin in a checkpoint of version 1, which had one digest of the recipe with its batch."""
    file = path.parent.parent / RECIPE
    advice = f"an old checkpoint needs the {RECIPE} of its run, unchanged; put it back, or start again with --resume never"
    try:
        text = read_regular(file, most=_MOST_RECIPE_BYTES).decode()
    except (UnreadableFileError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}): {advice}") from error
    written = parse_recipe(text, where=str(file))
    require(written.digest == recipe, f"{file} is not the recipe of {path.name}: {advice}")
    return Origin.of(written, data=data, device=device, threads=threads, processes=processes)


def _checked(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint. Raises :class:`ValueError` if its values cannot belong to a run. Its tensors are checked at use."""
    for values, kind in ((vars(checkpoint.origin).values(), (str, int)), (checkpoint.validation.values(), (int, float))):
        if not all(isinstance(value, kind) for value in values):
            raise ValueError("a value has a wrong type")
    numbers = checkpoint.step, checkpoint.consumed
    if not all(type(number) is int and number >= 0 for number in numbers) or "best" not in checkpoint.validation:
        raise ValueError("a count is wrong or missing")
    if checkpoint.consumed != checkpoint.step * checkpoint.origin.pairs:
        raise ValueError(f"{checkpoint.step} steps cannot have consumed {checkpoint.consumed} pairs")
    if not isinstance(checkpoint.state, dict) or not all(
        isinstance(total, Tensor) and type(count) is int and count > 0 for total, count in checkpoint.losses.values()
    ):
        raise ValueError("the state is not complete")
    return checkpoint


def _head(payload: bytes | memoryview, magic: bytes = _MAGIC) -> bytes:
    return magic + hashlib.sha256(payload).hexdigest().encode() + b"\n"


def newest(out: Path) -> Checkpoint | None:
    """Returns the newest undamaged checkpoint of the folder of a run, or None if the folder has no checkpoint.

    If all checkpoints are damaged, raises the error of the newest.
    """
    first: BlurkitError | None = None
    for path in list_checkpoints(out):
        try:
            return load(path)
        except BlurkitError as error:
            first = first or error
    if first is not None:
        raise BlurkitError(f"{first}; there is no other checkpoint to resume from, so start again with --resume never")
    return None


def list_checkpoints(out: Path) -> list[Path]:
    """Returns the numbered checkpoints of the folder of a run, the newest first."""
    numbered = [path for path in (out / FOLDER).glob("*.ckpt") if _NAME.fullmatch(path.name) and path.name != BEST]
    return sorted(numbered, key=lambda path: int(path.stem), reverse=True)


def clean(out: Path, *, after: int) -> None:
    """Remove temporary files of a killed run, checkpoints that a kill left too many, and checkpoints of steps after ``after``,
    since these steps are repeated. If ``after`` is 0, the best checkpoint is removed too. The caller must hold the lock."""
    remove_temporaries(out / FOLDER, lambda name: bool(_NAME.fullmatch(name)))
    for path in list_checkpoints(out):
        if int(path.stem) > after:
            path.unlink()
    _remove_older(out)
    if not after:
        (out / FOLDER / BEST).unlink(missing_ok=True)
