"""A page laid out in whole pixels, so that pictures keep theirs: text, rectangles, pictures and lines.

Matplotlib is imported in this module alone; that takes a while, so commands import this module where they need it.
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

#: File suffixes that can be written.
FORMATS = (".png", ".jpg", ".jpeg")

#: A power of two: pixels become inches, and inches pixels again, without rounding.
DPI = 128
_POINT = DPI / 72

PAPER, PANEL, BRIGHT, TEXT, MUTED = "#17181b", "#08080a", "#ffffff", "#d4d6db", "#9a9da6"
OPENS, CLOSES, UNSEEN, BAR = "#2fd6ff", "#ff4787", "#ffffff60", "#3f7fb5"
TIME, LIGHT = (OPENS, "#8b6cff", CLOSES), (PANEL, "#65676e", "#c6c7cc")


def require_format(path: Path) -> None:
    """Raise :class:`UsageError` where the suffix of ``path`` names no format that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: {path.suffix or 'no suffix'} is no picture format; use one of {', '.join(FORMATS)}")


class Page:
    """A dark page of a size in pixels. Colours are "#rrggbb" or "#rrggbbaa", or RGB in [0, 1]; all lengths are pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self._axes.set(xlim=(0, width), ylim=(height, 0))

    def text(self, x: float, y: float, text: str, size: float, color: str, *, room: float = math.inf, bold: bool = False) -> None:
        """Text that begins at ``x``, with its baseline at ``y``; see :func:`fitted` for ``room``."""
        self._axes.text(x, y, fitted(text, size, room, bold=bold), **style(size, color, bold=bold))

    def rectangle(self, box: Box, color: str) -> None:
        """A filled rectangle, behind all pictures and lines."""
        self._axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, facecolor=color, linewidth=0, zorder=-1))

    def picture(self, image: NDArray[np.uint8], box: Box) -> None:
        """An image, uint8 (H, W, 3) RGB, resampled to fill a box."""
        extent = (box.x, box.right, box.bottom, box.y)
        self._axes.imshow(resampled(image, box.height, box.width), extent=extent, aspect="auto", interpolation="none")

    def line(self, points: NDArray[np.floating], color: Any, width: float, *, inside: Box | None = None) -> None:
        """A line through points (n, 2), of one colour or of n - 1, seen within a box."""
        parts = [points] if isinstance(color, str) else list(np.stack((points[:-1], points[1:]), axis=1))
        lines = LineCollection(parts, colors=color, linewidths=width / _POINT, capstyle="round", joinstyle="round")
        self._axes.add_collection(lines, autolim=False)
        if inside is not None:
            lines.set_clip_path(Rectangle((inside.x, inside.y), inside.width, inside.height, transform=self._axes.transData))

    def dot(self, point: NDArray[np.floating], color: str, edge: str, width: float) -> None:
        """A disc of a diameter of four widths, with an edge of one."""
        size, line = 4 * width / _POINT, width / _POINT
        self._axes.plot(*point, "o", markersize=size, markeredgewidth=line, markerfacecolor=color, markeredgecolor=edge)

    def save(self, path: Path) -> None:
        """Write the page in the format of the suffix, complete or not at all."""
        save_figure(self._figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix, one of :data:`FORMATS`, complete or not at all."""
    buffer = io.BytesIO()
    jpeg = {"quality": 93, "subsampling": 0}  # PNG takes no notice of them
    kind = path.suffix.lower()[1:]
    unnamed = {"Software": None} if kind == "png" else None  # else matplotlib writes its own name and version
    figure.savefig(buffer, format=kind, dpi=DPI, facecolor=PAPER, pil_kwargs=jpeg, metadata=unnamed)
    make_folder(path.parent)
    write_atomic(path, marked(buffer.getvalue()))


def fitted(text: str, size: float, room: float = math.inf, *, bold: bool = False) -> str:
    """Text on one line: characters without a glyph as escapes, and an ellipsis for the middle of what is wider than ``room``."""
    glyphs = get_font(_font_file(bold)).get_charmap()
    text = "".join(c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode() for c in text)
    if text_width(text, size, bold=bold) <= room:
        return text

    def cut(kept: int) -> str:
        return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"

    fits = bisect.bisect_right(range(1, len(text)), room, key=lambda kept: text_width(cut(kept), size, bold=bold))
    return cut(max(fits, 1))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text in pixels."""
    return float(text_to_path.get_text_width_height_descent(text, _font(size, bold), False)[0]) * _POINT


def style(size: float, color: str, *, bold: bool) -> dict[str, Any]:
    """How matplotlib draws text of a size in pixels: as it is, without any markup."""
    return {"fontproperties": _font(size, bold), "color": color, "parse_math": False, "usetex": False}


@functools.cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(fname=_font_file(bold), size=size / _POINT)


def _font_file(bold: bool) -> Path:
    """DejaVu Sans of matplotlib itself: no font of the system can change a page."""
    return Path(matplotlib.get_data_path()) / "fonts/ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
