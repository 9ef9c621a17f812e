"""Draws the curves of a run from the lines of its ``metrics.jsonl``.

A line has ``step`` and numbers by tags. TensorBoard shows the same tags: ``loss/NAME``; ``val/psnr`` and ``val/psnr_blurred``,
the PSNR of the restored and of the blurred validation pairs; ``rate/NAME``, the learning rates. Other keys are not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.report.page import BAR, CLOSES, OPENS, require_format
from blurkit.report.plots import Plots

_DRAWN = ("val/", "loss/", "rate/")
_BLURRED = "_blurred"
#: The share of the run over which a curve is smoothed, to either side.
_SMOOTH = 0.02


def draw_curves(path: Path, records: Sequence[Mapping[str, Any]], *, title: str = "", subtitle: str = "") -> None:
    """Draw the validation with the PSNR of the blurred input, then each loss and each learning rate.

    ``records``: the lines of ``metrics.jsonl``, in any order, with or without gaps. ``path`` and errors: see
    :func:`blurkit.report.draw_sheet`. Also raises UsageError if no line has a number to draw.
    """
    require_format(path)
    curves = _curves(records)
    if not curves:
        raise UsageError(
            f"there is nothing to draw: no line of the metrics has a number with a tag that starts with {', '.join(_DRAWN)}"
        )
    wide = [tag for tag in curves if tag.startswith("val/") and not tag.endswith(_BLURRED)]
    narrow = sorted((tag for tag in curves if not tag.startswith("val/")), key=lambda tag: tag.startswith("rate/"))
    last = max(float(points[-1, 0]) for points in curves.values()) or 1.0
    plots = Plots(wide, narrow, title=title, subtitle=subtitle)
    for tag in wide + narrow:
        _draw_panel(plots, tag, curves[tag], curves.get(tag + _BLURRED), last)
    plots.save(path)


def _curves(records: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """The points (step, value) of each tag, float64 (n, 2), by step. If a step was repeated, its last value counts."""
    values: dict[str, dict[float, float]] = {}
    for record in records:
        for tag, value in record.items():
            if tag.startswith(_DRAWN) and isinstance(value, int | float) and math.isfinite(value):
                values.setdefault(tag, {})[float(record["step"])] = float(value)
    return {tag: np.array(sorted(points.items())) for tag, points in values.items()}


def _draw_panel(plots: Plots, tag: str, points: NDArray[np.float64], level: NDArray[np.float64] | None, last: float) -> None:
    """Draw one curve with its newest value above it and, for validation, the PSNR of the blurred input as a line."""
    axes = plots.panels[tag]
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
    plots.head(tag, newest, OPENS)


def smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns points (n, 2) whose values are means over neighbouring points. Few points are returned as they are."""
    places, reach = np.arange(len(points)), round(_SMOOTH * len(points))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(points))
    sums = np.concatenate(([0.0], np.cumsum(points[:, 1])))
    return np.column_stack((points[:, 0], (sums[last] - sums[first]) / (last - first))) if reach else points
