"""The curves of a run, drawn from the lines of its ``metrics.jsonl``, on a page of :mod:`blurkit.report.page`.

A line has ``step`` and numbers by their tags, which TensorBoard shows too: ``loss/NAME``, ``val/psnr`` and ``val/psnr_blurred``
of the validation pairs, as restored and as they are, and ``rate/NAME``, learning rates. Other keys are not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.report.page import BAR, BRIGHT, CLOSES, MUTED, OPENS, PANEL, Page, require_format, text_width
from blurkit.report.sheet_layout import GUTTER, MARGIN, Box

_DRAWN = ("val/", "loss/", "rate/")
_BLURRED = "_blurred"
_WIDTH, _TALL, _LOW = 1240, 320, 200
_BELOW = 104  # from a panel to the next, with the steps of the one and the heading of the other between
_GRID = "#ffffff1c"
#: A curve is smoothed over this share of the run.
_SMOOTH = 0.02


def draw_curves(path: Path, records: Sequence[Mapping[str, Any]], *, title: str = "", subtitle: str = "") -> None:
    """Draw what a run has logged: validation first, with the level of the blurred input, then each loss and learning rate.

    ``records``: the lines of ``metrics.jsonl``, in any order and with gaps. ``path`` and errors as for
    :func:`blurkit.report.sheet.draw_sheet`; UsageError too where no line has a number to draw.
    """
    require_format(path)
    curves = _curves(records)
    wide = [tag for tag in curves if tag.startswith("val/") and not tag.endswith(_BLURRED)]
    small = sorted((tag for tag in curves if not tag.startswith("val/")), key=lambda tag: tag.startswith("rate/"))
    if not curves:
        raise UsageError(f"there is nothing to draw: no line of the metrics has a number under {', '.join(_DRAWN)}")
    last = max(float(points[-1, 0]) for points in curves.values()) or 1.0
    boxes = _boxes(len(wide), len(small), MARGIN + (80 if title else 0) + 40)
    page = Page(_WIDTH + 2 * MARGIN, boxes[-1].bottom + 40 + MARGIN)
    page.text(MARGIN, MARGIN + 26, title, 32, BRIGHT, bold=True, room=_WIDTH)
    page.text(MARGIN, MARGIN + 64, subtitle, 20, MUTED, room=_WIDTH)
    for tag, box in zip(wide + small, boxes, strict=True):
        _draw_panel(page, box, tag, curves[tag], curves.get(tag + _BLURRED), last)
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
    page: Page, box: Box, tag: str, points: NDArray[np.float64], level: NDArray[np.float64] | None, last: float
) -> None:
    """One curve with its name and newest value above, and the level of the blurred input where there is one."""
    page.rectangle(box, PANEL)
    axes = page.axes(Box(box.x + 70, box.y + 12, box.width - 86, box.height - 24), MUTED, _GRID)
    axes.tick_params(axis="x", pad=12)
    axes.set_xlim(0, last)
    smooth = smoothed(points) if tag.startswith("loss/") else points
    if smooth is not points:
        axes.plot(*points.T, color=BAR, linewidth=0.6)
    axes.plot(*smooth.T, color=OPENS, linewidth=1.8)
    axes.plot(*smooth[-1], "o", color=OPENS, clip_on=False)
    low, high = points[:, 1].min(), points[:, 1].max()
    newest = f"{smooth[-1, 1]:.4g}"
    if level is not None:
        newest += f"  ·  best {high:.4g}"
        axes.axhline(level[-1, 1], color=CLOSES, linewidth=1.2)
        words, place = f"blurred input {level[-1, 1]:.4g}", axes.get_yaxis_transform()
        axes.text(1, level[-1, 1], words, color=CLOSES, fontsize=9, transform=place, ha="right", va="bottom")
    elif low > 0 and high / low > 10:
        axes.set_yscale("log")
    if axes.get_yscale() == "linear":
        axes.locator_params(axis="y", nbins=5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}".replace("e-0", "e-"))
    page.text(box.right, box.y - 12, newest, 18, OPENS, align="right")
    page.text(box.x, box.y - 12, tag, 20, BRIGHT, bold=True, room=box.width - text_width(newest, 18) - 18)


def smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) with each value the mean of those nearby, as far as a share of the run; a few points are left alone."""
    places, reach = np.arange(len(points)), round(_SMOOTH * len(points))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(points))
    sums = np.concatenate(([0.0], np.cumsum(points[:, 1])))
    return np.column_stack((points[:, 0], (sums[last] - sums[first]) / (last - first))) if reach else points
