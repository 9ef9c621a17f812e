"""Plots in the colours of a page, laid out by matplotlib: panels in a grid, each with a heading and its figures above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError
from blurkit.report.histograms import finite_values, histogram, quantiles
from blurkit.report.page import BAR, BRIGHT, CLOSES, DPI, MUTED, PANEL, fitted, require_format, save_figure, style, text_width

_GRID = "#ffffff1c"
_TALL, _LOW = 380, 300  # pixels: the heights of wide and of narrow panels


class Plots:
    """A figure with a panel for each of ``wide``, over the whole width, then for each of ``narrow``, ``columns`` to a row.

    ``panels``: matplotlib's axes by these names.
    """

    def __init__(
        self,
        wide: Sequence[str],
        narrow: Sequence[str],
        *,
        columns: int = 3,
        width: int = 1304,
        title: str = "",
        subtitle: str = "",
    ) -> None:
        filled = [*narrow, *["."] * (-len(narrow) % columns)]
        rows = [[name] * columns for name in wide] + [filled[i : i + columns] for i in range(0, len(filled), columns)]
        heights = [_TALL] * len(wide) + [_LOW] * (len(filled) // columns)
        heading = 110 if subtitle else 78 if title else 0
        height = sum(heights) + heading
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
        layout: Any = self._figure.get_layout_engine()
        layout.set(rect=(0.01, 0.01, 0.98, 0.98 - heading / height), hspace=0.06)
        for text, down, size, colour, bold in ((title, 58, 32, BRIGHT, True), (subtitle, 96, 20, MUTED, False)):
            words = fitted(text, size, width - 64, bold=bold)
            self._figure.text(32 / width, 1 - down / height, words, **style(size, colour, bold=bold))
        self.panels: dict[str, Axes] = self._figure.subplot_mosaic(rows, height_ratios=heights)  # type: ignore[arg-type]
        self._widths = dict.fromkeys(wide, width) | dict.fromkeys(narrow, width // columns)
        for axes in self.panels.values():
            axes.set_facecolor(PANEL)
            axes.spines[:].set_visible(False)
            axes.set_axisbelow(True)
            axes.grid(color=_GRID, linewidth=0.6)
            axes.tick_params(length=0, which="both", labelcolor=MUTED, labelsize=8.5, labelfontfamily="DejaVu Sans")

    def head(self, name: str, figures: str, colour: str) -> None:
        """Put a panel's name above it at the left, and its figures, in a colour, at the right."""
        heading = fitted(name, 18, self._widths[name] - text_width(figures, 16) - 80, bold=True)
        self.panels[name].set_title(figures, loc="right", pad=8, **style(16, colour, bold=False))
        self.panels[name].set_title(heading, loc="left", pad=8, **style(18, BRIGHT, bold=True))

    def save(self, path: Path) -> None:
        """Write the figure in the format of the suffix, complete or not at all."""
        save_figure(self._figure, path)


def draw_histograms(columns: Mapping[str, ArrayLike], path: Path, *, title: str = "") -> None:
    """A histogram of each column, by its label, with the median and the 10 and 90 % quantiles.

    Values that are not finite are left out. ``path``: where it is written, atomically, in the format of its suffix. Raises
    :class:`UsageError` for an unknown suffix, or without columns.
    """
    require_format(path)
    if not columns:
        raise UsageError("there are no columns to draw histograms of")
    across = 2 if len(columns) in (2, 4) else min(len(columns), 3)
    plots = Plots([], list(columns), columns=across, width=600 * across, title=title)
    for label, values in columns.items():
        finite = finite_values(values)
        if not len(finite):
            plots.head(label, "no values", MUTED)
            continue
        places, text = quantiles(finite)
        plots.head(label, text, CLOSES)
        _draw_bars(plots.panels[label], finite, places)
    plots.save(path)


def _draw_bars(axes: Axes, values: NDArray[np.float64], places: NDArray[np.float64]) -> None:
    """Bars, and lines at the quantiles, the middle one the median. A few distinct values have equally wide bars."""
    tally = histogram(values, bins=30)
    if tally.discrete:
        axes.bar(range(len(tally.counts)), tally.counts, color=BAR)
        axes.set_xticks(range(len(tally.counts)), [f"{value:,.10g}" for value in tally.lower])
        places = np.interp(places, tally.lower, np.arange(len(tally.lower)))
    else:
        axes.bar(tally.lower, tally.counts, tally.upper - tally.lower, align="edge", color=BAR, edgecolor=PANEL, linewidth=0.6)
    for place, colour, width in zip(places, (BRIGHT, CLOSES, BRIGHT), (0.8, 1.6, 0.8), strict=True):
        axes.axvline(place, color=colour, linewidth=width)
    axes.locator_params(axis="y", integer=True, nbins=4)
    axes.grid(visible=False, axis="x")
