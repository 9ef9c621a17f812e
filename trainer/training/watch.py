"""Reports the progress of a run: a progress line, ``metrics.jsonl`` and, if it is installed, TensorBoard."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from blurkit.program.files import append_line, write_atomic
from blurkit.program.progress import duration
from trainer.training.checkpoint import Checkpoint

METRICS = "metrics.jsonl"

_SECONDS_BETWEEN_LINES = 30.0


class Watch:
    """Reports the steps after ``begin``, or from the start, up to ``steps``. If ``quiet``, it only writes files.

    Each line of ``metrics.jsonl`` has ``step``, ``seconds`` since this start, and numbers by tags: ``loss/NAME``, a mean since
    the previous line; ``rate/generator``; ``val/psnr`` and ``val/psnr_blurred`` in decibels. It is in the file when the call
    returns. ``losses``: the sum and the count of each loss since the last line.
    """

    def __init__(self, out: Path, begin: Checkpoint | None, *, steps: int, every: int, quiet: bool = False) -> None:
        start = begin.step if begin else 0
        self._path, self._start, self._steps, self._every, self._quiet = out / METRICS, start, steps, every, quiet
        _drop_lines_after(self._path, start, validated=begin is not None and begin.validation.get("step") == start)
        self._begin = self._last_shown = time.monotonic()
        self.losses: dict[str, tuple[Tensor, int]] = dict(begin.losses) if begin else {}
        self._newest: dict[str, float] = {}
        self._board: Any = None
        with contextlib.suppress(ImportError):  # TensorBoard need not be installed
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=start + 1)
        self._terminal = sys.stderr.isatty() and not quiet

    def step(self, done: int, losses: dict[str, Tensor], rate: float) -> None:
        """Add the losses of a step, the ``done``-th. They are read only for a line, since reading waits for the device."""
        for name, loss in losses.items():
            total, count = self.losses.get(name, (torch.zeros_like(loss), 0))
            self.losses[name] = total.to(loss.device) + loss, count + 1
        if done % self._every == 0 or done == self._steps:
            means = torch.stack([total.float() / count for total, count in self.losses.values()]).tolist()
            tags = [f"loss/{name}" for name in self.losses]
            self.write(done, {**dict(zip(tags, means, strict=True)), "rate/generator": rate})
            self.losses = {}
        self._show(done)

    def write(self, done: int, values: dict[str, float]) -> None:
        """Write one line of metrics."""
        seconds = round(time.monotonic() - self._begin, 3)
        append_line(self._path, json.dumps({"step": done, "seconds": seconds, **values}))
        self._newest |= values
        if self._board is not None:
            for tag, value in values.items():
                self._board.add_scalar(tag, value, done)
            self._board.flush()

    def message(self, text: str, end: str = "\n") -> None:
        """Print text on standard error in place of the progress line."""
        if not self._quiet:
            print(f"\r\x1b[K{text}" if self._terminal else text, end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the progress line and TensorBoard."""
        if self._terminal:
            print(file=sys.stderr)
        if self._board is not None:
            self._board.close()

    def _show(self, done: int) -> None:
        now = time.monotonic()
        due = now - self._last_shown >= (0.2 if self._terminal else _SECONDS_BETWEEN_LINES) or done == self._steps
        if self._quiet or not due:
            return
        self._last_shown = now
        rate = (done - self._start) / (now - self._begin)
        left = duration((self._steps - done) / rate)
        numbers = [f"{tag.removeprefix('loss/')} {value:.4g}" for tag, value in self._newest.items() if tag.startswith("loss/")]
        if "val/psnr" in self._newest:
            numbers.append(f"validation {self._newest['val/psnr']:.2f} dB (blurred {self._newest['val/psnr_blurred']:.2f})")
        pace = f"{rate:.3g} steps/s" if rate >= 1 else f"{1 / rate:.3g} s/step"
        text = ", ".join((f"{done:,} of {self._steps:,} steps ({done / self._steps:.0%}), {pace}, {left} left", *numbers))
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            self.message(text[: max(width - 1, 20)], end="")
        else:
            self.message(text)


def _drop_lines_after(path: Path, step: int, *, validated: bool) -> None:
    """Drop the lines of steps that will be repeated, and a line that a kill cut short. If the step ``step`` is not ``validated``,
    its validation will be repeated too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            values = json.loads(line)
            if values["step"] < step or (values["step"] == step and (validated or "val/psnr" not in values)):
                kept.append(line + b"\n")
    write_atomic(path, b"".join(kept))
