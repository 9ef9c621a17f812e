"""A page to draw on, in whole pixels with rows from the top: a picture shown at its own size keeps its pixels.

Matplotlib draws, and is imported in this module alone. That takes a while, so commands import what draws where they need it.
"""

from __future__ import annotations

import functools
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.files import make_folder, write_atomic

_JPEG = {"pil_kwargs": {"quality": 93, "subsampling": 0}}

#: File suffixes that can be written, and what matplotlib is told about them.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {}, ".jpg": _JPEG, ".jpeg": _JPEG, ".pdf": {"metadata": {"CreationDate": None}}, ".svg": {"metadata": {"Date": None}}
}

#: A power of two: pixels become inches, and inches pixels again, without rounding.
_DPI = 128
_POINT = _DPI / 72

PAPER, PANEL, BRIGHT, TEXT, MUTED = "#17181b", "#08080a", "#ffffff", "#d4d6db", "#8b8e96"


def require_format(path: Path) -> None:
    """Raise :class:`UsageError` where the suffix of ``path`` names no format that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: {path.suffix or 'no suffix'} is no picture format; use one of {', '.join(FORMATS)}")


@dataclass(frozen=True)
class Box:
    """A rectangle of a page in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row beyond it."""
        return self.y + self.height


class Page:
    """A dark page of a size in pixels. Colours are "#rrggbb" or "#rrggbbaa", or RGB in [0, 1]; all lengths are pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self._axes.set(xlim=(0, width), ylim=(height, 0))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str,
        *,
        room: float = math.inf,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> None:
        """Text with its baseline at ``y``, and at ``x`` the side that ``align`` names; see :func:`fitted` for ``room``."""
        shown = fitted(text, size, room, bold=bold)
        font = _font(size, bold)
        self._axes.text(x, y, shown, fontproperties=font, color=color, ha=align, va="baseline", parse_math=False, usetex=False)

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
            frame = Rectangle((inside.x, inside.y), inside.width, inside.height, transform=self._axes.transData)
            lines.set_clip_path(frame)

    def dot(self, point: NDArray[np.floating], color: str, edge: str, width: float) -> None:
        """A disc of a diameter of four widths, with an edge of one."""
        style: dict[str, Any] = {"marker": "o", "markersize": 4 * width / _POINT, "markeredgewidth": width / _POINT}
        self._axes.plot(*point, markerfacecolor=color, markeredgecolor=edge, **style)

    def save(self, path: Path) -> None:
        """Write the page in the format of the suffix, complete or not at all."""
        require_format(path)
        suffix = path.suffix.lower()
        buffer = io.BytesIO()
        self._figure.savefig(buffer, format=suffix[1:], dpi=_DPI, facecolor=PAPER, **FORMATS[suffix])
        make_folder(path.parent)
        write_atomic(path, buffer.getvalue())


def resampled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, 3), at another size, by area averaging; where it grows, its pixels become crisp squares."""
    times = max(math.ceil(height / image.shape[0]), math.ceil(width / image.shape[1]))
    if times > 1:  # the averaging of what was repeated is the exact area of squares, where that of OpenCV would interpolate
        image = image.repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def fitted(text: str, size: float, room: float = math.inf, *, bold: bool = False) -> str:
    """Text on one line: characters without a glyph as escapes, and an ellipsis for the middle of what is wider than ``room``."""
    glyphs = get_font(_font_file(bold)).get_charmap()
    text = "".join(c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode() for c in text)
    shown, kept = text, len(text)
    while kept > 1 and text_width(shown, size, bold=bold) > room:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text in pixels."""
    return float(text_to_path.get_text_width_height_descent(text, _font(size, bold), False)[0]) * _POINT


@functools.cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(fname=_font_file(bold), size=size / _POINT)


def _font_file(bold: bool) -> Path:
    """DejaVu Sans of matplotlib itself: no font of the system can change a page."""
    return Path(matplotlib.get_data_path()) / "fonts/ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
