"""Draws text, rectangles, pictures and lines on a page. Positions are whole pixels, so the pixels of a picture stay sharp.

This module imports matplotlib, which is slow. So commands import it only when they draw.
"""

from __future__ import annotations

import bisect
import functools
import io
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.program.files import make_folder, write_atomic
from blurkit.program.origin import marked
from blurkit.report.raster import resampled
from blurkit.truth.box import Box

#: The suffixes of the picture files that can be written.
FORMATS = (".png", ".jpg", ".jpeg")

#: A power of two, so that converting pixels to inches and back is exact.
DPI = 128
_POINT = DPI / 72

PAPER, PANEL, BRIGHT, TEXT, MUTED = "#17181b", "#08080a", "#ffffff", "#d4d6db", "#9a9da6"
OPENS, CLOSES, UNSEEN, BAR = "#2fd6ff", "#ff4787", "#ffffff60", "#3f7fb5"
TIME, LIGHT = (OPENS, "#8b6cff", CLOSES), (PANEL, "#65676e", "#c6c7cc")


def require_format(path: Path) -> None:
    """Raises :class:`UsageError` if the suffix of ``path`` is not one of :data:`FORMATS`."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: {path.suffix or 'no suffix'} is not a picture format; use one of {', '.join(FORMATS)}")


class Page:
    """A dark page. All lengths are in pixels. A colour is "#rrggbb", "#rrggbbaa", or RGB in [0, 1]."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self._axes.set(xlim=(0, width), ylim=(height, 0))

    def text(self, x: float, y: float, text: str, size: float, color: str, *, room: float = math.inf, bold: bool = False) -> None:
        """Draw text that begins at ``x``, with its baseline at ``y``. :func:`fitted` shortens it to the width ``room``."""
        self._axes.text(x, y, fitted(text, size, room, bold=bold), **style(size, color, bold=bold))

    def rectangle(self, box: Box, color: str) -> None:
        """Draw a filled rectangle. It lies below all pictures and lines, whatever the order of the calls."""
        self._axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, facecolor=color, linewidth=0, zorder=-1))

    def picture(self, image: NDArray[np.uint8], box: Box) -> None:
        """Draw an image, uint8 (H, W, 3), RGB, resampled to fill a box."""
        extent = (box.x, box.right, box.bottom, box.y)
        self._axes.imshow(resampled(image, box.height, box.width), extent=extent, aspect="auto", interpolation="none")

    def line(self, points: NDArray[np.floating], color: Any, width: float, *, inside: Box | None = None) -> None:
        """Draw a line through points (n, 2), (x, y). ``color``: one colour, or one for each of the n - 1 segments.

        The parts of the line outside of the box ``inside`` are not drawn.
        """
        parts = [points] if isinstance(color, str) else list(np.stack((points[:-1], points[1:]), axis=1))
        lines = LineCollection(parts, colors=color, linewidths=width / _POINT, capstyle="round", joinstyle="round")
        self._axes.add_collection(lines, autolim=False)
        if inside is not None:
            lines.set_clip_path(Rectangle((inside.x, inside.y), inside.width, inside.height, transform=self._axes.transData))

    def dot(self, point: NDArray[np.floating], color: str, edge: str, width: float) -> None:
        """Draw a disc with a diameter of 4 ``width`` and an edge of 1 ``width``."""
        size, line = 4 * width / _POINT, width / _POINT
        self._axes.plot(*point, "o", markersize=size, markeredgewidth=line, markerfacecolor=color, markeredgecolor=edge)

    def save(self, path: Path) -> None:
        """Write the page atomically. The suffix of ``path`` chooses the format."""
        save_figure(self._figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically. The suffix of ``path``, one of :data:`FORMATS`, chooses the format."""
    buffer = io.BytesIO()
    jpeg = {"quality": 93, "subsampling": 0}  # ignored for PNG
    kind = path.suffix.lower()[1:]
    unnamed = {"Software": None} if kind == "png" else None  # else matplotlib writes its own name and version
    figure.savefig(buffer, format=kind, dpi=DPI, facecolor=PAPER, pil_kwargs=jpeg, metadata=unnamed)
    make_folder(path.parent)
    write_atomic(path, marked(buffer.getvalue()))


def fitted(text: str, size: float, room: float = math.inf, *, bold: bool = False) -> str:
    """Returns text as one line. A character without a glyph becomes an escape.

    If the text is wider than ``room`` pixels, an ellipsis replaces its middle.
    """
    glyphs = get_font(_font_file(bold)).get_charmap()
    text = "".join(c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode() for c in text)
    if text_width(text, size, bold=bold) <= room:
        return text

    def cut(kept: int) -> str:
        return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"

    fits = bisect.bisect_right(range(1, len(text)), room, key=lambda kept: text_width(cut(kept), size, bold=bold))
    return cut(max(fits, 1))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Returns the width of a line of text in pixels."""
    return float(text_to_path.get_text_width_height_descent(text, _font(size, bold), False)[0]) * _POINT


def style(size: float, color: str, *, bold: bool) -> dict[str, Any]:
    """Returns the arguments with which matplotlib draws text of a size in pixels, without reading it as markup."""
    return {"fontproperties": _font(size, bold), "color": color, "parse_math": False, "usetex": False}


@functools.cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(fname=_font_file(bold), size=size / _POINT)


def _font_file(bold: bool) -> Path:
    """The file of DejaVu Sans in matplotlib. So the fonts of the system do not change a page."""
    return Path(matplotlib.get_data_path()) / "fonts/ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
