"""What is seen of a run while it goes on: a progress line, ``metrics.jsonl``, and TensorBoard where it is installed."""

from __future__ import annotations

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

METRICS = "metrics.jsonl"

_SECONDS_BETWEEN_LINES = 30.0


class Watch:
    """Tells of the steps from ``start`` to ``steps``; a ``quiet`` one writes files alone.

    Each line of ``metrics.jsonl`` has ``step``, ``seconds`` since this start, and numbers by tags: ``loss/NAME``, means since the
    line before; ``rate/generator``; ``val/psnr`` and ``val/psnr_blurred`` in decibels. It is on the disk when the call returns.
    """

    def __init__(self, out: Path, *, start: int, steps: int, every: int, quiet: bool = False) -> None:
        self._path, self._start, self._steps, self._every, self._quiet = out / METRICS, start, steps, every, quiet
        _forget_after(self._path, start)
        self._begin = self._said = time.monotonic()
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._newest: dict[str, float] = {}
        self._board = _tensorboard(out, start)
        self._terminal = sys.stderr.isatty() and not quiet

    def step(self, done: int, losses: dict[str, Tensor], rate: float) -> None:
        """Take in the losses of a step, the ``done``-th; they are read, which waits for the device, when a line is due."""
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss.clone()
            self._counts[name] = self._counts.get(name, 0) + 1
        if done % self._every == 0 or done == self._steps:
            means = torch.stack([self._sums[name].float() / self._counts[name] for name in self._sums]).tolist()
            self.write(
                done, {f"loss/{name}": mean for name, mean in zip(self._sums, means, strict=True)} | {"rate/generator": rate}
            )
            self._sums, self._counts = {}, {}
        self._show(done)

    def write(self, done: int, values: dict[str, float]) -> None:
        """Write a line."""
        line = {"step": done, "seconds": round(time.monotonic() - self._begin, 3), **values}
        append_line(self._path, json.dumps(line))
        self._newest |= values
        if self._board is not None:
            for tag, value in values.items():
                self._board.add_scalar(tag, value, done)
            self._board.flush()

    def say(self, text: str) -> None:
        """Print a line of text on standard error, past the progress line."""
        if not self._quiet:
            print(f"\r\x1b[K{text}" if self._terminal else text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the progress line and TensorBoard."""
        if self._terminal:
            print(file=sys.stderr)
        if self._board is not None:
            self._board.close()

    def _show(self, done: int) -> None:
        now = time.monotonic()
        due = now - self._said >= (0.2 if self._terminal else _SECONDS_BETWEEN_LINES) or done == self._steps
        if self._quiet or not due:
            return
        self._said = now
        rate = (done - self._start) / (now - self._begin)
        left = duration((self._steps - done) / rate)
        numbers = [f"{tag.removeprefix('loss/')} {value:.4g}" for tag, value in self._newest.items() if tag.startswith("loss/")]
        if "val/psnr" in self._newest:
            numbers.append(f"validation {self._newest['val/psnr']:.2f} dB (blurred {self._newest['val/psnr_blurred']:.2f})")
        pace = f"{rate:.3g} steps/s" if rate >= 1 else f"{1 / rate:.3g} s/step"
        text = ", ".join((f"{done:,} of {self._steps:,} steps ({done / self._steps:.0%}), {pace}, {left} left", *numbers))
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\x1b[K{text[: max(width - 1, 20)]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps that are about to be done again, and one that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + b"\n")
        except (ValueError, KeyError, TypeError):
            continue
    write_atomic(path, b"".join(kept))


def _tensorboard(out: Path, start: int) -> Any:
    """A writer of TensorBoard's events, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=start + 1)
