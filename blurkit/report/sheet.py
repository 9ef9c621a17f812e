"""Draws contact sheets of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.report import sheet_layout
from blurkit.report.histograms import round_below
from blurkit.report.page import BRIGHT, CLOSES, LIGHT, MUTED, OPENS, PANEL, TEXT, TIME, UNSEEN, Page, require_format, text_width
from blurkit.report.raster import shade, shown, thinned
from blurkit.report.sheet_layout import GUTTER, MARGIN, captions
from blurkit.shard.format import Sample
from blurkit.truth.box import Box


def draw_sheet(samples: Sequence[Sample], path: Path, *, title: str = "", subtitle: str = "") -> None:
    """Draw a contact sheet. It shows each sample's sharp image, blurred image, and kernel with the path of the camera.

    The images in a row have the same height, also if their sizes differ. Each kernel has its own scale, shown by a scale bar. Its
    brightness is the square root of its light. The noise in a caption is the standard deviation at white, in percent of white.

    ``path``: the picture, written atomically; its suffix, one of ``FORMATS``, chooses the format.
    Raises :class:`UsageError` if the suffix is unknown or ``samples`` is empty.
    """
    require_format(path)
    if not samples:
        raise UsageError("a sheet needs at least one sample")
    grid = sheet_layout.choose_grid(len(samples))
    top = MARGIN + (40 if title else 0) + (32 if subtitle or not title else 0) + round(2.7 * grid.text)
    triples = sheet_layout.arrange(samples, grid, top)
    page = Page(grid.width, triples[-1][0].bottom + grid.below + MARGIN)
    _draw_heading(page, title, subtitle, legend=any(len(sample.path) for sample in samples))
    for sample, boxes in zip(samples, triples, strict=True):
        _draw_triple(page, sample, boxes, grid.text)
        if boxes[0].y == top:
            for box, label in zip(boxes, ("sharp", "blurred", "kernel and path"), strict=True):
                page.text(box.x, top - 0.6 * grid.text, label, grid.text, MUTED, room=box.width)
    page.save(path)


def _draw_heading(page: Page, title: str, subtitle: str, *, legend: bool) -> None:
    """Draw the title and the subtitle at the left, and the legend of the path's colours at the right of the first line."""
    base = MARGIN + (26 if title else 20)
    room = page.width - 2 * MARGIN
    beside = _draw_legend(page, base) - GUTTER - MARGIN if legend else room
    if title:
        page.text(MARGIN, base, title, 32, BRIGHT, room=beside, bold=True)
    if subtitle:
        page.text(MARGIN, base + (38 if title else 0), subtitle, 20, MUTED, room=room if title else beside)


def _draw_legend(page: Page, base: int) -> float:
    """Draw the legend so that it ends at the right margin. Returns the x coordinate of its left end."""
    labels, strokes, space = ("shutter opens", "closes", "not exposed"), (96, 48, 0), 14
    widths = [text_width(label, 20) for label in labels]
    x = left = page.width - MARGIN - sum(widths) - sum(strokes) - 4 * space
    for label, width, stroke in zip(labels, widths, strokes, strict=True):
        page.text(x, base, label, 20, MUTED)
        x += width + space
        points = np.linspace((x, base - 7), (x + stroke, base - 7), 64)
        if label == "shutter opens":
            _draw_exposed(page, points, 2.5)
        elif label == "closes":
            page.line(points, UNSEEN, 1.5)
        x += stroke + space
    return left


def _draw_triple(page: Page, sample: Sample, boxes: tuple[Box, Box, Box], size: float) -> None:
    """Draw the sharp image, the blurred image and the kernel in their boxes, with captions of text size ``size`` below."""
    page.picture(shown(sample.sharp), boxes[0])
    page.picture(shown(sample.blurred), boxes[1])
    for points, moved in sheet_layout.outlines(sample, boxes[0]):
        page.line(points, OPENS if moved else UNSEEN, size / (12 if moved else 20), inside=boxes[0])
    for points in sheet_layout.moved_paths(sample, boxes[1]):
        _draw_exposed(page, thinned(points), size / 10, inside=boxes[1])
    _draw_kernel(page, sample, boxes[2], size)
    for box, lines in zip(boxes, captions(sample), strict=True):
        for number, line in enumerate(lines):
            color = MUTED if number else BRIGHT if box is boxes[0] else TEXT
            base = box.bottom + (1.4 + 1.35 * number) * size
            page.text(box.x, base, line, size, color, room=box.width - size / 2, bold=color is BRIGHT)


def _draw_kernel(page: Page, sample: Sample, panel: Box, text: float) -> None:
    """Draw the kernel's light in sharp pixels, the path of the camera over it, and a scale bar."""
    page.rectangle(panel, PANEL)
    if not sample.kernel.size:
        return  # the kernel of averaged frames is not known
    kernel = sheet_layout.kernels_shown(sample)
    left, top, wide, high = cv2.boundingRect((kernel > 0).astype(np.uint8))
    room = panel._replace(height=panel.height - round(1.6 * text))  # leaves room for the scale bar below
    scale = sheet_layout.kernel_scale(wide, high, sample.path, room)
    width, height = max(round(wide * scale), 1), max(round(high * scale), 1)
    lit = Box(room.y + (room.height - height) // 2, room.x + (room.width - width) // 2, height, width)
    light = shade(LIGHT, np.sqrt(kernel[top : top + high, left : left + wide] / kernel.max()))
    page.picture(np.rint(255 * light).astype(np.uint8), lit)
    if len(sample.path):
        center = kernel.shape[0] / 2 - np.array([left, top])  # the kernel's centre, from the corner of its lit part
        points = (sample.path + center) * scale + (lit.x, lit.y)
        seen = sheet_layout.exposed(sample, points)
        page.line(thinned(points[len(seen) - 1 :]), UNSEEN, text / 14, inside=room)
        _draw_exposed(page, thinned(seen), min(max(0.4 * scale, text / 14), text / 7))  # narrow, so that the light shows too
    _draw_scale_bar(page, panel, scale, text)


def _draw_exposed(page: Page, points: NDArray[np.floating], width: float, *, inside: Box | None = None) -> None:
    """Draw a path coloured by time, with a ring at its start and a dot at its end."""
    page.line(points, shade(TIME, np.linspace(0, 1, max(len(points) - 1, 1))), width, inside=inside)
    page.dot(points[0], PANEL, OPENS, 0.9 * width)
    page.dot(points[-1], CLOSES, PANEL, 0.9 * width)


def _draw_scale_bar(page: Page, panel: Box, scale: float, text: float) -> None:
    length = round_below(0.4 * panel.width / scale)
    x, y = panel.x + 0.6 * text, panel.bottom - 0.8 * text
    page.line(np.array([(x, y), (x + length * scale, y)]), MUTED, text / 8)
    page.text(x + length * scale + 0.5 * text, y + 0.3 * text, f"{length:g} px", 0.8 * text, MUTED)
