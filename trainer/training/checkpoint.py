"""Writes and reads checkpoints. A checkpoint is one file with everything that a run needs to continue exactly.

    RUN/checkpoints/00001000.ckpt     the last two checkpoints
    RUN/checkpoints/best.ckpt         the checkpoint with the best validation

A file is written atomically. It holds a line ``trainer-checkpoint 1 SHA256`` and then the data that torch saved. The digest is
needed because torch loads a file with a flipped byte without an error. Loading runs no code (``weights_only``). Saving needs as
much memory as the size of the file.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.checks import require
from blurkit.program.files import make_folder, remove_temporaries, replacing, write_all

FOLDER, BEST = "checkpoints", "best.ckpt"
KEPT = 2

_MAGIC = b"trainer-checkpoint 1 "
_NAME = re.compile(r"\d{8,}\.ckpt|best\.ckpt")


@dataclass(frozen=True)
class Origin:
    """Everything that decides the weights of a run. A run can only continue a checkpoint with the same origin.

    ``recipe``, ``data``: digests. ``device``: "cpu" or "cuda". ``threads``: the number of torch threads on the CPU, where sums
    are split among threads; 0 on a GPU. ``processes``: the number of processes that train together.
    """

    recipe: str
    data: str
    device: str
    threads: int
    processes: int

    def require_same(self, other: Origin, where: Path) -> None:
        """Raise :class:`UsageError` if this origin, of the checkpoint ``where``, differs from the origin of the current run."""
        words = {"recipe": "another recipe", "data": "other training pairs", "device": f"--device {self.device}"}
        words["threads"] = f"{self.threads} torch threads (OMP_NUM_THREADS={self.threads})"
        words["processes"] = f"{self.processes} processes (torchrun --nproc-per-node {self.processes})"
        for key, value in asdict(self).items():
            problem = f"{where} was written by a run with {words[key]}, so this run cannot continue it exactly"
            advice = "use the options of that run, choose another --out, or start again with --resume never"
            require(value == getattr(other, key), f"{problem}; {advice}")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after ``step`` steps. ``consumed``: the consumed positions of the stream. ``validation``: the newest
    validation, with "step", "psnr", "psnr_blurred", and "best", the best PSNR of the run. ``state``: all tensors. No state of a
    random generator is needed, see :mod:`trainer.training.step`."""

    origin: Origin
    step: int
    consumed: int
    validation: dict[str, float]
    state: dict[str, Any]


def save(out: Path, checkpoint: Checkpoint, *, best: bool = False) -> None:
    """Write a checkpoint to the folder of a run, then remove all checkpoints but the last two and the best."""
    folder = out / FOLDER
    make_folder(folder)
    buffer = io.BytesIO()
    torch.save(asdict(checkpoint), buffer)
    payload = buffer.getbuffer()
    with replacing(folder / (BEST if best else f"{checkpoint.step:08d}.ckpt")) as descriptor:
        write_all(descriptor, _head(payload))
        write_all(descriptor, payload)
    for path in list_checkpoints(out)[KEPT:]:
        path.unlink()


def load(path: Path) -> Checkpoint:
    """Returns a checkpoint, on the CPU. Raises :class:`UsageError` for another file, :class:`BlurkitError` for a damaged one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--resume {path}: {error.strerror}; name a file in the folder {FOLDER}/ of a run") from error
    require(data.startswith(_MAGIC), f"{path} is not a checkpoint of the trainer; name a file in the folder {FOLDER}/ of a run")
    payload = memoryview(data)[len(_head(b"")) :]
    if not data.startswith(_head(payload)):
        raise BlurkitError(f"{path} is damaged: its sha256 is not that of the data that was written")
    try:
        values = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        return Checkpoint(**{**values, "origin": Origin(**values["origin"])})
    except Exception as error:  # for a manipulated file torch raises many types of errors
        raise BlurkitError(f"{path} holds no checkpoint ({type(error).__name__}: {str(error).splitlines()[0]})") from error


def _head(payload: bytes | memoryview) -> bytes:
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"


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
    """Remove temporary files of a killed run, and checkpoints of steps after ``after``, since these steps are repeated. If
    ``after`` is 0, the best checkpoint is removed too. The caller must hold the lock of the run."""
    remove_temporaries(out / FOLDER, lambda name: bool(_NAME.fullmatch(name)))
    for path in list_checkpoints(out):
        if int(path.stem) > after:
            path.unlink()
    if not after:
        (out / FOLDER / BEST).unlink(missing_ok=True)
