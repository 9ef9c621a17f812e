"""Computes the layout of a contact sheet: positions, sizes, captions, outlines and paths. ``sheet.py`` draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.kernels.rasterization import exposure_weights, statistics
from blurkit.report.raster import shown
from blurkit.shard.format import Sample
from blurkit.truth.box import Box

#: Space in pixels: around the sheet, between triples (sharp, blurred, kernel) in a row, and between the pictures of a triple.
MARGIN, GUTTER, GAP = 32, 36, 5
#: If the blur varies over the frame, GRID x GRID of its kernels are shown.
GRID = 5


@dataclass(frozen=True)
class Grid:
    """``columns``: triples in a row. In pixels: ``picture``, the width of a square image; ``kernel``, the width of a kernel;
    ``text``, the size of the text."""

    columns: int
    picture: int
    kernel: int
    text: float

    @property
    def width(self) -> int:
        """The width of the whole sheet in pixels."""
        return self.columns * (2 * self.picture + self.kernel + 2 * GAP) + (self.columns - 1) * GUTTER + 2 * MARGIN

    @property
    def below(self) -> int:
        """The height of two lines of text below a picture, in pixels."""
        return round(3.1 * self.text)


#: The largest number of samples -> the grid. The first two grids show images of 320 px, the default size, at a whole scale.
GRIDS = {1: Grid(1, 640, 480, 22), 16: Grid(2, 320, 240, 20), 60: Grid(3, 208, 156, 14), math.inf: Grid(4, 148, 111, 11)}


def choose_grid(samples: int) -> Grid:
    """Returns the grid for a number of samples."""
    return next(grid for most, grid in GRIDS.items() if samples <= most)


def arrange(samples: Sequence[Sample], grid: Grid, top: int) -> list[tuple[Box, Box, Box]]:
    """Returns the boxes of each sample's sharp image, blurred image and kernel, in pixels of the page.

    The images in a row have the same height, chosen so that the row fills the width. ``top``: y of the first row.
    """
    triples = []
    for first in range(0, len(samples), grid.columns):
        shapes = [shown(sample.sharp).shape for sample in samples[first : first + grid.columns]]
        aspects = np.array([width / height for height, width, _ in shapes])
        exact = len(shapes) * grid.picture / float(aspects.sum())
        ends = np.rint(np.cumsum(aspects) * exact).astype(int)  # the sums are rounded, so that all rows end at the same pixel
        x, height = MARGIN, round(exact)
        for width in np.diff(ends, prepend=0).tolist():
            sharp = Box(top, x, height, width)
            blurred = sharp._replace(x=sharp.right + GAP)
            kernel = Box(top, blurred.right + GAP, height, grid.kernel)
            triples.append((sharp, blurred, kernel))
            x = kernel.right + GUTTER
        top += height + grid.below + GUTTER * 2 // 3
    return triples


def captions(sample: Sample) -> tuple[list[str], list[str], list[str]]:
    """Returns the captions below the sharp image, the blurred image and the kernel, up to two lines each.

    A value that is not in the metadata of the sample is left out.
    """
    meta = _known(sample)
    variant = f" #{meta['variant']}" if meta.get("variant") else ""
    part = "middle of " if shown(sample.sharp).shape != sample.sharp.shape else ""
    height, width = sample.sharp.shape[:2]
    moved = f", {len(sample.moves)} moved" if len(sample.moves) else ""
    title = [f"{sample.id}{variant}", f"{part}{width} × {height} px{moved}"]
    exposure = f"exposure {100 * meta['exposure']:.3g} %" if "exposure" in meta else ""
    noise = f"noise {100 * math.sqrt(meta['shot'] + meta.get('read', 0.0) ** 2):.1f} %" if "shot" in meta else ""
    jpeg = f"JPEG {meta['jpeg_quality']:.0f}" if "jpeg_quality" in meta else ""
    losses = list(filter(None, (exposure, ", ".join(filter(None, (noise, jpeg))))))
    if not sample.kernel.size:
        if "shift_y" in meta:
            losses.insert(0, f"sharp moved by ({meta['shift_y']:.2f}, {meta['shift_x']:.2f}) px")
        return title, losses, [f"mean of {meta['frames']:.0f} frames" if "frames" in meta else "real blur"]
    shake = statistics(sample.kernel)
    length = f"{meta['length']:.1f} px path" if "length" in meta else f"{shake.extent} px extent"
    if "rotation_length" in meta:
        length = f"{1000 * meta['rotation_length']:.0f} mrad, roll {1000 * meta['roll_length']:.0f}"
    if "defocus_radius" in meta:
        length += f", r {meta['defocus_radius']:.1f}"
    return title, losses, [length, f"{shake.effective_length:.1f} px effective"]


def outlines(sample: Sample, box: Box) -> list[tuple[NDArray[np.float64], bool]]:
    """Returns the contours of the objects, each with whether its object moved.

    A contour is float64 (n, 2), (x, y) in pixels of the page, if the sharp image fills ``box``.
    """
    contours = []
    for number, mask in enumerate(sample.masks):
        seen = shown(mask)
        outer, _ = cv2.findContours(seen.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        closed = (np.concatenate((contour[:, 0], contour[:1, 0])) + 0.5 for contour in outer if len(contour) > 2)
        contours += [(_placed(points, seen, box), number in sample.moves.objects) for points in closed]
    return contours


def moved_paths(sample: Sample, box: Box) -> list[NDArray[np.float64]]:
    """Returns the path of each object that moved, while the shutter was open.

    A path is float64 (n, 2), (x, y) in pixels of the page, if the image fills ``box``. It is the motion of the object itself,
    plus the motion of the camera if this is the same in the whole frame.
    """
    paths = []
    for number, own in zip(sample.moves.objects, sample.moves.paths, strict=True):
        seen = shown(sample.masks[number])
        if seen.any():
            path = exposed(sample, own + sample.path if len(sample.path) == len(own) else own)
            paths.append(_placed(path + np.argwhere(seen).mean(axis=0)[::-1] + 0.5, seen, box))
    return paths


def _placed(points: NDArray[np.floating], image: NDArray[Any], box: Box) -> NDArray[np.float64]:
    """Converts points (n, 2) of an image (H, W) to points of the page, if the image fills ``box``."""
    return points * (box.width / image.shape[1], box.height / image.shape[0]) + (box.x, box.y)


def kernels_shown(sample: Sample) -> NDArray[np.float32]:
    """Returns the kernel to show, float32 (h, w). If the blur varies over the frame: a grid of kernels, each at its position."""
    if sample.nodes is None:
        return sample.kernel
    rows, columns = ((np.arange(GRID) + 0.5) * side / GRID for side in sample.sharp.shape[:2])
    kernels = np.array([[sample.nodes.at(y, x) for x in columns] for y in rows])
    reach = kernels.shape[2] // 2
    lit = np.abs(np.argwhere(kernels.max(axis=(0, 1)) > 0) - reach).max() + 1  # with an empty pixel between neighbours
    inner = slice(reach + 1 - lit, reach + 2 + lit)
    return np.block([[np.pad(kernel, 1)[inner, inner] for kernel in row] for row in kernels])


def exposed(sample: Sample, path: NDArray[np.floating]) -> NDArray[np.floating]:
    """Returns the first points of a path, at which the shutter was open. ``path``: (n, 2), of the camera or of an object."""
    return path[: len(exposure_weights(len(path), _known(sample).get("exposure", 1.0)))]


def kernel_scale(width: int, height: int, path: NDArray[np.floating], room: Box) -> float:
    """Returns the scale of a kernel, in pixels of the page per pixel. ``width``, ``height``: its lit part. ``path``: (n, 2).

    The kernel fills the room. It is smaller if its path continues after the exposure, and a tiny kernel stays small.
    """
    lit = np.array([width, height])
    extent = np.ptp(path, axis=0) if len(path) else lit
    fitting = np.clip(1.1 * extent, 1.2 * lit, 1.7 * lit)
    scale = float(min(room.width / fitting[0], room.height / fitting[1], room.width / 10))
    return math.floor(scale) if scale > 1 else scale


def _known(sample: Sample) -> dict[str, Any]:
    """The metadata without numbers that are NaN."""
    return {key: value for key, value in sample.meta.items() if not (isinstance(value, float) and math.isnan(value))}
