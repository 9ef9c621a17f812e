"""Draws plots as a grid of panels in the colours of a page. Above each panel are its heading and its main numbers."""

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
_TALL, _LOW = 380, 300  # the heights of wide and of narrow panels, in pixels


class Plots:
    """A figure with named panels. Each panel of ``wide`` fills a row; below, the panels of ``narrow`` share rows of ``columns``.

    ``panels``: the axes of matplotlib by the name of the panel. ``width``: of the figure, in pixels.
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
        """Write above a panel: its name at the left, and the text ``figures`` at the right, in a colour."""
        heading = fitted(name, 18, self._widths[name] - text_width(figures, 16) - 80, bold=True)
        self.panels[name].set_title(figures, loc="right", pad=8, **style(16, colour, bold=False))
        self.panels[name].set_title(heading, loc="left", pad=8, **style(18, BRIGHT, bold=True))

    def save(self, path: Path) -> None:
        """Write the figure atomically. The suffix of ``path`` chooses the format."""
        save_figure(self._figure, path)


def draw_histograms(columns: Mapping[str, ArrayLike], path: Path, *, title: str = "") -> None:
    """Draw a histogram of each column, with its label, its median and its 10 and 90 % quantiles.

    Values that are not finite are left out. ``path``: the picture, written atomically; its suffix, one of ``FORMATS``, chooses
    the format. Raises :class:`UsageError` if the suffix is unknown or ``columns`` is empty.
    """
    require_format(path)
    if not columns:
        raise UsageError("there are no columns to draw")
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
    """Draw bars, and lines at the quantiles ``places``. The bars of a few distinct values are equally wide and equally spaced."""
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
