"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file each, complete or absent.

    RUN/checkpoints/00001000.ckpt     the last two
    RUN/checkpoints/best.ckpt         that with the best validation

A file is a line ``trainer-checkpoint 1 SHA256`` and what torch saved; torch alone would load a flipped byte without a word.
Loading runs no code (``weights_only``). A save needs as much memory as the file is long.
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
    """What a run is made of; a continuation has the same, or would not be one.

    ``recipe`` and ``data``: digests. ``device``: "cpu" or "cuda". ``threads``: torch's on the CPU, since sums there are split
    among them; 0 elsewhere. ``processes``: that train together.
    """

    recipe: str
    data: str
    device: str
    threads: int
    processes: int

    def require_same(self, other: Origin, where: Path) -> None:
        """Raise :class:`UsageError` where a checkpoint's origin, this one, is not that of the run at hand."""
        what = {"recipe": "another recipe", "data": "other training pairs", "device": f"--device {self.device}"}
        what["threads"] = f"{self.threads} torch threads (OMP_NUM_THREADS={self.threads})"
        what["processes"] = f"{self.processes} processes (torchrun --nproc-per-node {self.processes})"
        for key, mine in asdict(self).items():
            why = f"{where} was written by a run with {what[key]}: a continuation would be neither that run nor this one"
            advice = "run it as it was begun, choose another --out, or begin anew with --resume never"
            require(mine == getattr(other, key), f"{why}; {advice}")


@dataclass(frozen=True)
class Checkpoint:
    """What there is after ``step`` steps: ``consumed`` positions of the stream; the newest ``validation``, by "step", "psnr",
    "psnr_blurred", and "best" of all; and ``state``, all tensors. Nothing random is in it: see :mod:`trainer.training.step`."""

    origin: Origin
    step: int
    consumed: int
    validation: dict[str, float]
    state: dict[str, Any]


def save(out: Path, checkpoint: Checkpoint, *, best: bool = False) -> None:
    """Write a checkpoint into a run's folder, then remove all but the last two and the best."""
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
    """Read a checkpoint, onto the CPU. Raises :class:`UsageError` for what is none, :class:`BlurkitError` for a damaged one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--resume {path}: {error.strerror}; name a file in a run's {FOLDER}/") from error
    require(data.startswith(_MAGIC), f"{path} is no checkpoint of the trainer; name a file in a run's {FOLDER}/")
    payload = memoryview(data)[len(_head(b"")) :]
    if not data.startswith(_head(payload)):
        raise BlurkitError(f"{path} is damaged: its bytes are not those that were written (sha256)")
    try:
        values = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        return Checkpoint(**{**values, "origin": Origin(**values["origin"])})
    except Exception as error:  # a file made to mislead: torch raises many kinds
        raise BlurkitError(f"{path} holds no checkpoint ({type(error).__name__}: {str(error).splitlines()[0]})") from error


def _head(payload: bytes | memoryview) -> bytes:
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"


def newest(out: Path) -> Checkpoint | None:
    """The newest sound checkpoint of a run's folder; None where there is none at all.

    Where the newest is damaged it is passed over for the one before; where all are, the error of the newest is raised.
    """
    first: BlurkitError | None = None
    for path in list_checkpoints(out):
        try:
            return load(path)
        except BlurkitError as error:
            first = first or error
    if first is not None:
        raise BlurkitError(f"{first}; no other is left to resume from: begin anew with --resume never")
    return None


def list_checkpoints(out: Path) -> list[Path]:
    """Numbered checkpoints of a run's folder, the newest first."""
    found = [path for path in (out / FOLDER).glob("*.ckpt") if _NAME.fullmatch(path.name) and path.name != BEST]
    return sorted(found, key=lambda path: int(path.stem), reverse=True)


def clean(out: Path, *, after: int) -> None:
    """Remove what a killed save left, and checkpoints of steps after that one, which are about to be done again; the best one too
    where ``after`` is 0. Only while holding the run's lock."""
    remove_temporaries(out / FOLDER, lambda name: bool(_NAME.fullmatch(name)))
    for path in list_checkpoints(out):
        if int(path.stem) > after:
            path.unlink()
    if not after:
        (out / FOLDER / BEST).unlink(missing_ok=True)
