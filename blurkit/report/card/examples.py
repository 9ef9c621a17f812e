"""Draws the picture of a dataset: a few pairs side by side, sharp above blurred, each with its kernel in the corner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.report.card.facts import spread
from blurkit.report.card.stamp import PLACE
from blurkit.report.raster import resampled
from blurkit.shard.index import Dataset

if TYPE_CHECKING:
    from blurkit.pair.redrawn import Redrawn

#: In pixels: the drawn side of an image and of a kernel, the gap between images, and the largest side of the part of a sample
#: that is shown.
_IMAGE, _KERNEL, _GAP = 224, 60, 6
LARGEST_PART = 320

_LARGEST = 150_000
_QUALITIES = (90, 85, 80, 70, 60, 45)


def draw_examples(dataset: Dataset, numbers: Sequence[int]) -> bytes:
    """Returns a JPEG file with the samples of these numbers, and with a placeholder for the stamp.

    Only the parts that are shown are read. If ``numbers`` is empty, the picture shows kernels from all parts of the dataset, and
    no photograph. Raises :class:`blurkit.errors.CorruptShardError` if a part that is read is damaged.
    """
    from blurkit.pair.redrawn import pairs_of  # it compiles code, and `verify` imports this module without drawing

    pairs = pairs_of(dataset)
    columns = [_column(pairs, number) for number in numbers]
    columns = columns or [_kernel(pairs, number, _IMAGE) for number in spread(len(dataset))]
    gap = np.full((columns[0].shape[0], _GAP, 3), 255, np.uint8)
    return _encode(np.hstack([part for column in columns for part in (gap, column)][1:]))


def _column(pairs: Dataset | Redrawn, index: int) -> NDArray[np.uint8]:
    height, width = pairs.shape(index)
    side = min(height, width, LARGEST_PART)
    images = pairs.crop(index, (height - side) // 2, (width - side) // 2, side)
    sharp, blurred = (resampled(image, _IMAGE, _IMAGE) for image in images)
    kernel = _kernel(pairs, index, _KERNEL - 2)
    if kernel.any():
        blurred[-_KERNEL:, -_KERNEL:] = 255  # white, as a frame around the kernel
        blurred[2 - _KERNEL :, 2 - _KERNEL :] = kernel
    return np.vstack([sharp, np.full((_GAP, _IMAGE, 3), 255, np.uint8), blurred])


def _kernel(pairs: Dataset | Redrawn, index: int, side: int) -> NDArray[np.uint8]:
    """A kernel in grey on black, relative to its largest value. The square root keeps faint parts visible.

    If the sample has no kernel, as for averaged frames, the picture is black.
    """
    kernel = pairs.kernel(index)
    shades = np.rint(255 * np.sqrt(kernel / kernel.max(initial=1e-9))).astype(np.uint8)
    return resampled(np.pad(np.stack([shades] * 3, axis=-1), ((1, 1), (1, 1), (0, 0))), side, side)


def _encode(picture: NDArray[np.uint8]) -> bytes:
    """A JPEG of limited size. The placeholder for the stamp is a comment after the first segment, the JFIF header."""
    for quality in _QUALITIES:
        _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= _LARGEST:
            break
    jpeg, comment = data.tobytes(), PLACE.encode()
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:end] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[end:]
