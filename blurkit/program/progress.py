"""Shows progress on standard error: on a terminal a bar with rate and time left, else a line every 30 seconds."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

_SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Progress through a known number of pairs, or of another ``unit``. ``done`` counts the pairs of committed shards. ``quiet``
    shows nothing."""

    def __init__(self, total: int, *, quiet: bool = False, unit: str = "pairs") -> None:
        self.total, self.done = total, 0
        self._unit = unit
        self._quiet = quiet
        self._begin = self._printed = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty() and not quiet:
            from tqdm import tqdm  # here, since only a bar needs it and ``--help`` is to start fast

            width, height = shutil.get_terminal_size()  # 80x24 if the terminal does not report its size
            self._bar = tqdm(total=total, unit=f" {unit}", smoothing=0.1, file=sys.stderr, ncols=width, nrows=height)

    def show(self, under_way: int = 0) -> None:
        """Show how many pairs are made: ``done``, and ``under_way`` pairs of shards that are not yet committed."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(max(self.done + under_way - self._bar.n, 0))
        elif not self._quiet and now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            self._say(self.done + under_way, now - self._begin)

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def _say(self, count: int, seconds: float) -> None:
        rate = count / seconds
        left = duration((self.total - count) / rate) if rate else "unknown"
        share = count / self.total
        unit = self._unit
        print(f"{count:,} of {self.total:,} {unit} ({share:.0%}), {rate:.1f} {unit}/s, {left} left", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time in seconds as a short text: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def plural(count: int, noun: str) -> str:
    """A count with its noun, singular or plural: ``1 shard``, ``1,290 pairs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def data_size(count: float) -> str:
    """A number of bytes as a short text: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
