"""Contact sheets of samples, and histograms of a dataset.

Everything is laid out in whole pixels, rows from the top, so that a picture shown at its own size keeps its pixels.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError
from blurkit.files import make_folder, write_atomic
from blurkit.histogram import finite_values, histogram, number_text
from blurkit.kernel import exposure_weights, statistics
from blurkit.shard.format import Sample

#: File suffixes, and what else ``savefig`` is told about them.
_JPEG = {"pil_kwargs": {"quality": 93, "subsampling": 0}}
FORMATS: dict[str, dict[str, Any]] = {".png": {}, ".jpg": _JPEG, ".jpeg": _JPEG, ".pdf": {}, ".svg": {}}

#: A power of two: pixels become inches and points, and come back, without rounding.
DPI = 128
PAPER, PANEL, BRIGHT, TEXT, MUTED = "#17181b", "#08080a", "#ffffff", "#d4d6db", "#8b8e96"
OPENS, CLOSES, FAINT = "#35d0ff", "#ff4f8b", "#ffffff44"
TIME = LinearSegmentedColormap.from_list("time", [OPENS, "#9a86ff", CLOSES])
LIGHT = LinearSegmentedColormap.from_list("light", [PANEL, "#6d6f76", "#d2d3d8"])

MARGIN, GUTTER, GAP = 32, 36, 5
#: Pictures much wider or higher than this are shown by their middle part.
ASPECTS = (0.6, 2.5)


@dataclass(frozen=True)
class Grid:
    """How many triples share a row, and in pixels the width of a square picture, that of a kernel, and the size of the text."""

    columns: int
    picture: int
    kernel: int
    text: float

    @property
    def width(self) -> int:
        """Of the whole sheet."""
        return self.columns * (2 * self.picture + self.kernel + 2 * GAP) + (self.columns - 1) * GUTTER + 2 * MARGIN


#: By the number of samples. Pictures of 320 px, the default size of a sample, keep their pixels in the first two.
GRIDS = {1: Grid(1, 640, 480, 24), 16: Grid(2, 320, 240, 20), 60: Grid(3, 208, 156, 14), math.inf: Grid(4, 148, 111, 11)}


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels from the top left corner of the page."""

    x: int
    y: int
    width: int
    height: int


def draw_sheet(samples: Sequence[Sample], path: Path, *, title: str = "", subtitle: str = "") -> None:
    """A contact sheet: of each sample the sharp and the blurred image, and its kernel with the camera's path.

    Images of mixed sizes fill each row at one height. Each kernel has its own scale, which a bar gives, and a brightness that is
    the square root of its light. ``path``: where it is written, atomically, in the format of its suffix (see ``FORMATS``).
    Raises :class:`UsageError` for an unknown suffix, or without samples.
    """
    require_format(path)
    if not samples:
        raise UsageError("a sheet needs at least one sample")
    grid = next(grid for count, grid in GRIDS.items() if len(samples) <= count)
    top = MARGIN + (40 if title else 0) + (32 if subtitle or not title else 0) + round(2.4 * grid.text)
    placed = _arrange(samples, grid, top)
    last = placed[-1][1]
    page = _Page(grid.width, last.y + last.height + round(3.1 * grid.text) + MARGIN)
    _draw_heading(page, title, subtitle, legend=any(len(sample.path) for sample in samples))
    for sample, box in placed:
        _draw_triple(page, sample, box, grid, labelled=box.y == top)
    page.save(path)


def require_format(path: Path) -> None:
    """Raise :class:`UsageError` where the suffix of ``path`` names no format that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: unknown picture format {path.suffix!r}; it is one of {', '.join(FORMATS)}")


def _arrange(samples: Sequence[Sample], grid: Grid, top: int) -> list[tuple[Sample, Box]]:
    """The box of each sharp image. A row has one height, with which its pictures fill the width."""
    placed = []
    for first in range(0, len(samples), grid.columns):
        row = samples[first : first + grid.columns]
        aspects = [_shown(sample.sharp).shape[1] / _shown(sample.sharp).shape[0] for sample in row]
        height = round(len(row) * grid.picture / sum(aspects))
        left = MARGIN
        for sample, aspect in zip(row, aspects, strict=True):
            box = Box(left, top, round(height * aspect), height)
            placed.append((sample, box))
            left += 2 * box.width + grid.kernel + 2 * GAP + GUTTER
        top += height + round(3.1 * grid.text) + GUTTER * 2 // 3
    return placed


def _shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of an image that is shown: its middle where it is extremely wide or high."""
    height, width = image.shape[:2]
    wide, high = min(width, math.ceil(height * ASPECTS[1])), min(height, math.ceil(width / ASPECTS[0]))
    y, x = (height - high) // 2, (width - wide) // 2
    return image[y : y + high, x : x + wide]


def _draw_heading(page: _Page, title: str, subtitle: str, *, legend: bool) -> None:
    """Title and subtitle at the left; on the lower line, at the right, what the colours of a path mean."""
    base = MARGIN + (26 if title else 20) + (38 if title and subtitle else 0)
    right = (_draw_legend(page, base) if legend else page.width - MARGIN) - GUTTER
    if title:
        page.text(MARGIN, MARGIN + 26, title, 32, BRIGHT, room=right - MARGIN, bold=True)
    page.text(MARGIN, base, subtitle, 20, MUTED, room=right - MARGIN)


def _draw_legend(page: _Page, base: float) -> float:
    """Returns where it begins."""
    labels = [(label, _width(label, _font(20, False))) for label in ("shutter opens", "closes", "goes on unseen")]
    x = left = page.width - MARGIN - sum(width for _, width in labels) - (96 + 48 + 4 * 14)
    for (label, width), stroke in zip(labels, (96, 48, 0), strict=True):
        page.text(x, base, label, 20, MUTED)
        x += width + 14
        points = np.linspace((x, base - 7), (x + stroke, base - 7), 65)
        if label == labels[0][0]:
            _draw_exposed(page, points, 2.2)
        elif stroke:
            page.line(points, FAINT, 1.4)
        x += stroke + 14
    return left


def _draw_triple(page: _Page, sample: Sample, sharp: Box, grid: Grid, *, labelled: bool) -> None:
    blurred = Box(sharp.x + sharp.width + GAP, sharp.y, sharp.width, sharp.height)
    kernel = Box(blurred.x + blurred.width + GAP, sharp.y, grid.kernel, sharp.height)
    page.picture(_shown(sample.sharp), sharp)
    page.picture(_shown(sample.blurred), blurred)
    _draw_kernel(page, sample, kernel, grid.text)
    for box, label, caption in zip((sharp, blurred, kernel), ("sharp", "blurred", "kernel and path"), _captions(sample), strict=True):
        base = box.y + box.height + 1.4 * grid.text
        for line, text in enumerate(caption):
            colour = BRIGHT if box is sharp and not line else TEXT if not line else MUTED
            page.text(box.x, base + 1.35 * grid.text * line, text, grid.text, colour, room=box.width, bold=colour is BRIGHT)
        if labelled:
            page.text(box.x, box.y - 0.6 * grid.text, label, grid.text, MUTED)


def _captions(sample: Sample) -> tuple[list[str], list[str], list[str]]:
    """Up to two lines on the photograph, on its blurred image, and on the kernel."""
    meta = {key: value for key, value in sample.meta.items() if not (isinstance(value, float) and math.isnan(value))}
    variant = f" #{meta['variant']}" if meta.get("variant") else ""
    height, width = sample.sharp.shape[:2]
    cut = "middle of " if _shown(sample.sharp).shape != sample.sharp.shape else ""
    image = [f"noise {100 * math.sqrt(meta['shot'] + meta.get('read', 0.0) ** 2):.1f} %"] if "shot" in meta else []
    if "jpeg_quality" in meta:
        image.append(f"JPEG {meta['jpeg_quality']:.0f}")
    shake = statistics(sample.kernel)
    lengths = [f"{shake.effective_length:.1f} px effective"]
    lengths.insert(0, f"{meta['length']:.1f} px path" if "length" in meta else f"{shake.extent} px extent")
    exposure = [f"exposure {100 * meta['exposure']:.3g} %"] if "exposure" in meta else []
    return [sample.id + variant, f"{cut}{width} × {height} px"], [*exposure, ", ".join(image)], lengths


def _draw_kernel(page: _Page, sample: Sample, panel: Box, text: float) -> None:
    """The kernel's light in crisp pixels, the camera's path over it, and a scale bar."""
    frame = Rectangle((panel.x, panel.y), panel.width, panel.height, color=PANEL, linewidth=0, zorder=-1)
    page.axes.add_patch(frame)
    rows, columns = np.nonzero(sample.kernel)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    exposed = len(exposure_weights(len(sample.path), sample.meta.get("exposure", 1.0)))
    strip = round(1.6 * text)  # below the kernel, for the scale bar
    scale = _scale(np.array([right - left, bottom - top]), sample.path, np.array([panel.width, panel.height - strip]))
    light = LIGHT(np.sqrt(sample.kernel[top:bottom, left:right] / sample.kernel.max()), bytes=True)[..., :3]
    lit = Box(0, 0, max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1))
    lit = Box(panel.x + (panel.width - lit.width) // 2, panel.y + (panel.height - strip - lit.height) // 2, lit.width, lit.height)
    page.picture(light, lit)
    half = sample.kernel.shape[0] // 2
    corner = np.array([lit.x, lit.y])
    points = corner + (sample.path + half + 0.5 - (left, top)) * scale
    if len(points):
        page.line(_thinned(points[exposed - 1 :]), FAINT, text / 14, inside=frame)
        _draw_exposed(page, _thinned(points[:exposed]), text / 8, frame)
    _draw_scale_bar(page, panel, scale, text)


def _scale(lit: NDArray[np.integer], path: NDArray[np.floating], room: NDArray[np.integer]) -> float:
    """Page pixels per pixel: the kernel fills the panel, less for a path that goes on, and a tiny one stays small."""
    whole = np.ptp(path, axis=0) if len(path) else lit
    shown = np.clip(1.1 * whole, 1.25 * lit, 1.7 * lit)
    scale = float(min((room / shown).min(), room.min() / 10))
    return math.floor(scale) if scale > 1 else scale


def _draw_exposed(page: _Page, points: NDArray[np.floating], width: float, frame: Rectangle | None = None) -> None:
    """A path coloured by time, from a ring to a dot."""
    page.line(points, TIME(np.linspace(0, 1, max(len(points) - 1, 1))), width, inside=frame)
    ends: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": _points(4 * width), "markeredgewidth": _points(width)}
    page.axes.plot(*points[0], markerfacecolor=PANEL, markeredgecolor=OPENS, **ends)
    page.axes.plot(*points[-1], markerfacecolor=CLOSES, markeredgecolor=PANEL, **ends)


def _draw_scale_bar(page: _Page, panel: Box, scale: float, text: float) -> None:
    longest = 0.4 * panel.width / scale
    power = 10 ** math.floor(math.log10(longest))
    length = next(factor * power for factor in (5, 2, 1) if factor * power <= longest)
    x, y = panel.x + 0.6 * text, panel.y + panel.height - 0.8 * text
    page.line(np.array([(x, y), (x + length * scale, y)]), MUTED, text / 7)
    page.text(x + length * scale + 0.5 * text, y + 0.3 * text, f"{length:g} px", 0.8 * text, MUTED)


def _thinned(points: NDArray[np.floating], most: int = 600) -> NDArray[np.floating]:
    """At most about ``most`` of the points, with both ends."""
    return np.concatenate((points[: -1 : max(len(points) // most, 1)], points[-1:]))


class _Page:
    """A figure whose coordinates are pixels from its top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_autoscale_on(False)
        self.axes.set(xlim=(0, width), ylim=(height, 0))

    def text(self, x: float, y: float, text: str, size: float, color: str, *, room: float = math.inf, bold: bool = False) -> None:
        """Text with its baseline at ``y``, shortened in the middle to ``room`` pixels."""
        font = _font(size, bold)
        self.axes.text(x, y, _fitted(text, font, room), fontproperties=font, color=color, parse_math=False, usetex=False)

    def picture(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """An image, uint8 (H, W, 3), resampled to fill a box."""
        extent = (box.x, box.x + box.width, box.y + box.height, box.y)
        self.axes.imshow(_resampled(pixels, box.height, box.width), extent=extent, aspect="auto", interpolation="none")

    def line(self, points: NDArray[np.floating], color: Any, width: float, *, inside: Rectangle | None = None) -> None:
        """A line through points (n, 2), of one colour or of n - 1."""
        segments = np.stack((points[:-1], points[1:]), axis=1)
        lines = LineCollection(list(segments), colors=color, linewidths=_points(width), capstyle="round")
        self.axes.add_collection(lines, autolim=False)
        if inside is not None:
            lines.set_clip_path(inside)

    def save(self, path: Path) -> None:
        """Write the page, complete or not at all."""
        buffer = io.BytesIO()
        suffix = path.suffix.lower()
        self.figure.savefig(buffer, format=suffix[1:], dpi=DPI, facecolor=PAPER, **FORMATS[suffix])
        make_folder(path.parent)
        write_atomic(path, buffer.getvalue())


def _resampled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """By area averaging. What is to grow is first repeated, so that its pixels stay squares instead of a blur of our own."""
    times = max(math.ceil(height / image.shape[0]), math.ceil(width / image.shape[1]))
    if times > 1:
        image = image.repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


@functools.cache
def _font(size: float, bold: bool) -> FontProperties:
    """DejaVu Sans of matplotlib itself: no font of the system can change a sheet."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(fname=Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size=_points(size))


def _fitted(text: str, font: FontProperties, room: float) -> str:
    """Text whose missing glyphs are escapes, with an ellipsis for the middle of what is wider than ``room`` pixels."""
    glyphs = get_font(font.get_file()).get_charmap()
    text = "".join(c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode() for c in text)
    kept = len(text)
    shown = text
    while kept > 1 and _width(shown, font) > room:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _width(text: str, font: FontProperties) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) * DPI / 72
