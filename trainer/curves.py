"""The curves of a run, drawn from the lines of its ``metrics.jsonl``, on a page of :mod:`blurkit.page`.

A line has ``step`` and numbers by their tags, which TensorBoard shows too: ``loss/NAME``, ``val/psnr`` and ``val/psnr_blurred``
of the validation pairs, as restored and as they are, and ``rate/NAME``, learning rates. Other keys are not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.contact import GUTTER, MARGIN, Box
from blurkit.errors import UsageError
from blurkit.page import BAR, BRIGHT, CLOSES, MUTED, OPENS, PANEL, Page, require_format, text_width

_DRAWN = ("val/", "loss/", "rate/")
_BLURRED = "_blurred"
_WIDTH, _TALL, _LOW = 1240, 320, 200
_BELOW = 112  # from a panel to the next, with the steps of the one and the heading of the other between
_GRID = "#ffffff1c"
#: A curve is smoothed over this share of the run.
_SMOOTH = 0.02


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high``, evenly or by their logarithm."""

    low: float
    high: float
    log: bool = False

    def share(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values of any shape as shares of the way from ``low`` to ``high``."""
        low, high = self._scaled(np.array([self.low, self.high]))
        return np.asarray((self._scaled(np.asarray(values, np.float64)) - low) / (high - low))

    def ticks(self, most: int = 5) -> list[float]:
        """At most about this many round values within: 1, 2 or 5 times a power of ten, or whole multiples of that."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for digits in ((1, 2, 5), (1, 3), (1,)):
                ticks = [digit * 10.0**power for power in powers for digit in digits]
                ticks = [tick for tick in ticks if self.low <= tick <= self.high]
                if len(ticks) <= most:
                    break
            return ticks[:: math.ceil(len(ticks) / most)]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        step *= next(digit for digit in (1, 2, 5, 10) if digit * step * most >= self.high - self.low)
        return [number * step for number in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(values) if self.log else values


def fit_axis(values: NDArray[np.floating]) -> Axis:
    """An axis for finite values: logarithmic where all are positive and range over more than a factor of ten."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > 10:
        return Axis(low / 1.1, high * 1.1, log=True)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - room, high + room)


def draw_curves(path: Path, records: Sequence[Mapping[str, Any]], *, title: str = "", subtitle: str = "") -> None:
    """Draw what a run has logged: validation first, with the level of the blurred input, then each loss and learning rate.

    ``records``: the lines of ``metrics.jsonl``, in any order and with gaps. ``path`` and errors as for
    :func:`blurkit.sheet.draw_sheet`; UsageError too where no line has a number to draw.
    """
    require_format(path)
    curves = _curves(records)
    wide = [tag for tag in curves if tag.startswith("val/") and not tag.endswith(_BLURRED)]
    small = sorted((tag for tag in curves if not tag.startswith("val/")), key=lambda tag: tag.startswith("rate/"))
    if not curves:
        raise UsageError(f"there is nothing to draw: no line of the metrics has a number under {', '.join(_DRAWN)}")
    steps = Axis(0, max(float(points[-1, 0]) for points in curves.values()) or 1.0)
    boxes = _boxes(len(wide), len(small), MARGIN + (80 if title else 0) + 40)
    page = Page(_WIDTH + 2 * MARGIN, boxes[-1].bottom + 40 + MARGIN)
    page.text(MARGIN, MARGIN + 26, title, 32, BRIGHT, bold=True, room=_WIDTH)
    page.text(MARGIN, MARGIN + 64, subtitle, 20, MUTED, room=_WIDTH)
    for tag, box in zip(wide + small, boxes, strict=True):
        _draw_panel(page, tag, curves[tag], curves.get(tag + _BLURRED), steps, box)
    page.save(path)


def _curves(records: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Points (step, value) of each tag, float64 (n, 2), by rising step; of a step that was done again the last."""
    found: dict[str, dict[float, float]] = {}
    for record in records:
        for tag, value in record.items():
            if tag.startswith(_DRAWN) and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(tag, {})[float(record["step"])] = float(value)
    return {tag: np.array(sorted(points.items())) for tag, points in found.items()}


def _boxes(wide: int, small: int, top: int) -> list[Box]:
    """Panels over the whole width one below another, then small ones, three to a row."""
    tall, low, width = _TALL + _BELOW, _LOW + _BELOW, (_WIDTH - 2 * GUTTER) // 3
    upper = [Box(MARGIN, top + number * tall, _WIDTH, _TALL) for number in range(wide)]
    top += wide * tall
    places = [divmod(number, 3) for number in range(small)]
    return upper + [Box(MARGIN + column * (width + GUTTER), top + row * low, width, _LOW) for row, column in places]


def _draw_panel(
    page: Page, tag: str, points: NDArray[np.float64], level: NDArray[np.float64] | None, steps: Axis, box: Box
) -> None:
    """One curve with its name and newest value above, and the level of the blurred input where there is one."""
    page.rectangle(box, PANEL)
    inner = Box(box.x + 70, box.y + 12, box.width - 86, box.height - 24)
    values = points[:, 1] if level is None else np.concatenate((points[:, 1], level[-1:, 1]))
    axis = fit_axis(values)
    _draw_grid(page, axis, steps, inner, box)
    if level is not None:
        y = float(_places(np.array([[0, level[-1, 1]]]), steps, axis, inner)[0, 1])
        page.line(np.array([(inner.x, y), (inner.right, y)]), CLOSES, 2)
        page.text(inner.right, y - 8, f"blurred input {number_text(level[-1, 1])}", 16, CLOSES, align="right")
    smooth = smoothed(points) if tag.startswith("loss/") else points
    if smooth is not points:
        page.line(_places(points, steps, axis, inner), BAR, 1)
    page.line(_places(smooth, steps, axis, inner), OPENS, 3)
    page.dot(_places(smooth[-1:], steps, axis, inner)[0], OPENS, PANEL, 3)
    newest = number_text(float(smooth[-1, 1])) + (f"  ·  best {number_text(points[:, 1].max())}" if level is not None else "")
    page.text(box.right, box.y - 12, newest, 18, OPENS, align="right")
    page.text(box.x, box.y - 12, tag, 20, BRIGHT, bold=True, room=box.width - text_width(newest, 18) - 18)


def _draw_grid(page: Page, axis: Axis, steps: Axis, inner: Box, box: Box) -> None:
    for tick in axis.ticks():
        y = inner.bottom - float(axis.share(np.array(tick))) * inner.height
        page.line(np.array([(inner.x, y), (inner.right, y)]), _GRID, 1)
        page.text(inner.x - 10, y + 5, number_text(tick), 15, MUTED, align="right")
    for tick in steps.ticks(8 if box.width == _WIDTH else 4):
        x = inner.x + float(steps.share(np.array(tick))) * inner.width
        page.line(np.array([(x, inner.y), (x, inner.bottom)]), _GRID, 1)
        page.text(x, box.bottom + 24, f"{tick:,.10g}", 16, MUTED, align="center")


def _places(points: NDArray[np.float64], steps: Axis, axis: Axis, box: Box) -> NDArray[np.float64]:
    shares = np.column_stack((steps.share(points[:, 0]), 1 - axis.share(points[:, 1])))
    return np.asarray((box.x, box.y) + shares * (box.width, box.height))


def smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) with each value the mean of those nearby, as far as a share of the run; a few points are left alone."""
    places, reach = np.arange(len(points)), round(_SMOOTH * len(points))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(points))
    sums = np.concatenate(([0.0], np.cumsum(points[:, 1])))
    return np.column_stack((points[:, 0], (sums[last] - sums[first]) / (last - first))) if reach else points


def number_text(value: float) -> str:
    """A number in few characters."""
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e")
