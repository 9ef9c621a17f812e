"""Converts outlines in COCO's format to masks. Every outline is checked before it is given to pycocotools.

The C code of pycocotools does not check its input: runs longer than the image overflow the heap, and a polygon far outside of the
image exhausts the memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError

#: A polygon's points may be outside of the frame by this fraction of its longer side.
MARGIN = 1.0

#: The most polygons of an object, and its longest outline in pixels. pycocotools needs 80 bytes for each of these pixels.
MAX_POLYGONS, MAX_OUTLINE = 10_000, 2_000_000

#: The most pixels of a frame with polygons. Four long runs in a larger frame need one byte more than pycocotools allocates.
MAX_POLYGON_PIXELS = 3 << 24


class BadOutlineError(Exception):
    """An invalid outline. The message continues a sentence whose subject is the object."""


def rasterise(segmentation: Any, height: int, width: int) -> NDArray[np.uint8]:
    """Returns the mask of an outline, uint8 (height, width), 0 or 1.

    ``segmentation``: a list of polygons, or runs as a list or as a compressed text. pycocotools fills the polygons; the mask is
    their union. Raises :class:`BadOutlineError`, and :class:`UsageError` if pycocotools is not installed.
    """
    if isinstance(segmentation, dict):
        return _from_runs(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        raise BadOutlineError("has no outline")
    _check_polygons(segmentation, height, width)
    try:
        from pycocotools import mask  # an optional dependency
    except ImportError as error:
        raise UsageError('objects of COCO need pycocotools: pip install "blurkit[coco]"') from error
    united = mask.merge(mask.frPyObjects(segmentation, height, width))
    return _fill(_uncompressed(united["counts"]), height, width)


def without_stray_pieces(segmentation: Any) -> tuple[Any, int]:
    """Returns an outline without the polygons of fewer than three points, and their number. They enclose no pixel, and annotation
    tools leave them behind when somebody clicks and gives up. An outline that has no other polygon is returned unchanged."""
    if not isinstance(segmentation, list):
        return segmentation, 0
    whole = [piece for piece in segmentation if not (isinstance(piece, list) and len(piece) < 6)]
    return (whole, len(segmentation) - len(whole)) if whole else (segmentation, 0)


def _check_polygons(polygons: list[Any], height: int, width: int) -> None:
    if height * width > MAX_POLYGON_PIXELS:
        raise BadOutlineError(f"is a polygon in a frame of more than {MAX_POLYGON_PIXELS} pixels")
    if len(polygons) > MAX_POLYGONS:
        raise BadOutlineError(f"has {len(polygons)} polygons, more than {MAX_POLYGONS}")
    margin, length = MARGIN * max(height, width), 0.0
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise BadOutlineError("has a polygon that is no list of three or more points x, y")
        if not all(type(number) in (int, float) for number in polygon):
            raise BadOutlineError("has a polygon of something other than numbers")
        # Compared before the conversion to an array, which fails for an integer of a thousand digits.
        inside = all(-margin <= x <= width + margin for x in polygon[::2])  # false for NaN too
        if not inside or not all(-margin <= y <= height + margin for y in polygon[1::2]):
            raise BadOutlineError(f"has a polygon far outside of the {width} x {height} pixels, or not finite")
        points = np.array(polygon, np.float64).reshape(-1, 2)
        length += np.abs(points - np.roll(points, 1, 0)).max(1).sum() + len(points)
    if length > MAX_OUTLINE:
        raise BadOutlineError(f"has an outline of {length:.0f} pixels, more than {MAX_OUTLINE}")


def _from_runs(segmentation: dict[str, Any], height: int, width: int) -> NDArray[np.uint8]:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise BadOutlineError(f"has runs of size {str(size)[:40]} instead of {[height, width]}")
    if isinstance(counts, str):
        return _fill(_uncompressed(counts.encode(errors="replace")), height, width)
    if isinstance(counts, list) and all(type(run) is int and 0 <= run <= height * width for run in counts):
        return _fill(np.array(counts, np.int64), height, width)
    raise BadOutlineError("has runs that are no valid numbers of pixels")


def _fill(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
    """Returns the mask of alternating runs of 0 and 1, counted down the columns."""
    total = height * width
    if not len(runs) or runs.min() < 0 or runs.max() > total or runs.sum() != total:
        raise BadOutlineError(f"has runs that do not add up to the {total} pixels of the image")
    values = np.arange(len(runs)) % 2
    return np.repeat(values.astype(np.uint8), runs).reshape(width, height).T


def _uncompressed(text: bytes) -> NDArray[np.int64]:
    """Returns the runs of a compressed text.

    Each character holds five bits of a number, the lowest bits first. A sixth bit says that the number goes on. From the fourth
    number on, a number is the difference between its run and the run two places before.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise BadOutlineError("has a text of runs that is damaged or cut short")
    ends = np.flatnonzero(codes & 32 == 0)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > 7:
        raise BadOutlineError("has a text of runs with a number of more than 35 bits")
    starts = ends - lengths + 1
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((codes & 31) << shifts, starts)
    runs -= np.where(codes[ends] & 16, 1 << 5 * lengths, 0)  # the sign
    for parity in (1, 2):
        runs[parity::2] = np.cumsum(runs[parity::2])
    return runs
