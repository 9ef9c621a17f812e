"""Draws sheets of restored photographs: blurred, restored, sharp, and a map of what the restoration improved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.report.page import BRIGHT, CLOSES, MUTED, OPENS, PANEL, TEXT, Page, require_format, text_width
from blurkit.report.raster import shade, shown
from blurkit.report.sheet_layout import GAP, GUTTER, MARGIN
from blurkit.truth.box import Box

#: The width of a picture in pixels, by the largest number of rows that it is used for; the last width is for more rows.
_WIDTHS, _NARROWEST = {1: 640, 8: 400}, 280
_SIZE = 20
#: The root mean square difference, in codes, that is drawn in full colour.
_FULL = 24.0


class Row(NamedTuple):
    """One row of a sheet: three images of one size, uint8 (H, W, 3), and at most four captions, one per picture."""

    blurred: NDArray[np.uint8]
    restored: NDArray[np.uint8]
    sharp: NDArray[np.uint8]
    captions: Sequence[str] = ()


def draw_triples(path: Path, rows: Sequence[Row], *, title: str = "", subtitle: str = "") -> None:
    """Draw a sheet with one row per photograph: blurred, restored, sharp, and a map of what the restoration changed.

    In the map, a pixel is blue if the restored image is nearer to the sharp image than the blurred image is, pink if it is
    farther, and black if nothing changed. ``path`` and errors: see :func:`blurkit.report.sheet.draw_sheet`.
    """
    require_format(path)
    if not rows:
        raise UsageError("a sheet needs at least one photograph")
    width = next((width for most, width in _WIDTHS.items() if len(rows) <= most), _NARROWEST)
    top = MARGIN + (40 if title else 0) + (32 if subtitle else 0) + 2 * _SIZE
    lefts = [MARGIN + column * (width + GAP) for column in range(4)]
    heights = [round(width * high / wide) for high, wide in (shown(row.sharp).shape[:2] for row in rows)]
    below = round(1.4 * _SIZE) + GUTTER
    page = Page(lefts[-1] + width + MARGIN, top + sum(heights) + len(rows) * below - GUTTER + _SIZE + MARGIN)
    if title:
        page.text(MARGIN, MARGIN + 26, title, 32, BRIGHT, bold=True, room=page.width - 2 * MARGIN)
    if subtitle:
        page.text(MARGIN, MARGIN + (64 if title else 20), subtitle, _SIZE, MUTED, room=page.width - 2 * MARGIN)
    _draw_headings(page, lefts, top - 0.6 * _SIZE)
    for row, height in zip(rows, heights, strict=True):
        _draw_row(page, row, [Box(top, left, height, width) for left in lefts])
        top += height + below
    page.save(path)


def _draw_headings(page: Page, lefts: Sequence[int], base: float) -> None:
    """Draw the heading of each column. The heading of the maps explains their colours."""
    nearer, bar = "nearer to sharp", np.linspace(0, 72, 25)
    x = lefts[-1] + text_width(nearer, _SIZE) + 16
    for left, heading in zip(lefts, ("blurred", "restored", "sharp", nearer), strict=True):
        page.text(left, base, heading, _SIZE, OPENS if heading == nearer else MUTED)
    page.line(np.column_stack((x + bar, np.full(25, base - 7))), _coloured(np.linspace(1, -1, 24)) / 255, 7)
    page.text(x + bar[-1] + 16, base, "farther", _SIZE, CLOSES)


def _draw_row(page: Page, row: Row, boxes: Sequence[Box]) -> None:
    for image, box in zip((row.blurred, row.restored, row.sharp, gain_map(row)), boxes, strict=True):
        page.picture(shown(image), box)
    for number, (box, caption) in enumerate(zip(boxes, row.captions, strict=False)):
        colour = TEXT if number else BRIGHT
        page.text(box.x, box.bottom + 1.4 * _SIZE, caption, _SIZE, colour, room=box.width - _SIZE / 2, bold=not number)


def gain_map(row: Row) -> NDArray[np.uint8]:
    """Returns the map of what the restoration changed, in the colours of :func:`draw_triples`, uint8 (H, W, 3).

    It shows the distance of the blurred image from the sharp image minus that of the restored image. A distance is the root mean
    square over the channels and a neighbourhood of a few pixels.
    """
    height, width = row.sharp.shape[:2]
    before, after = (_distance(image, row.sharp, max(height, width) / 200) for image in (row.blurred, row.restored))
    return _coloured((before - after) / _FULL)


def _distance(image: NDArray[np.uint8], sharp: NDArray[np.uint8], sigma: float) -> NDArray[np.float32]:
    squares = np.mean(np.subtract(image, sharp, dtype=np.float32) ** 2, axis=2)
    return np.sqrt(np.asarray(cv2.GaussianBlur(squares, (0, 0), sigma)))


def _coloured(gain: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The colours of values of any shape: pink at -1, black at 0, blue at 1."""
    return np.rint(255 * shade((CLOSES, PANEL, OPENS), np.clip(gain, -1, 1) / 2 + 0.5)).astype(np.uint8)
