"""From the frame that an annotation was drawn in to a rectangle of the upright photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.header import Header
from blurkit.decode.image import upright
from blurkit.errors import BadImageError
from blurkit.truth.box import Box


@dataclass(frozen=True)
class Frame:
    """``size``: (height, width) of the annotation. ``orientation``: how it is turned to be upright, as in Exif. ``box``: the
    rectangle of the upright photograph that is wanted."""

    size: tuple[int, int]
    orientation: int
    box: Box

    @property
    def cut_size(self) -> tuple[int, int]:
        return self.box[2:]

    def cut(self, image: NDArray[Any]) -> NDArray[Any]:
        """The wanted rectangle of an array of numbers, not bool, in the annotation's frame."""
        return np.ascontiguousarray(upright(image, self.orientation)[self.box.slices])


def find_frame(size: tuple[Any, Any], header: Header, box: Box | None, what: str, reason: str = "size_mismatch") -> Frame:
    """The frame of an annotation of this (height, width), for the photograph that the header is of.

    People outline what they see, but not every tool turns a photograph by its Exif orientation: the annotation is in the stored
    frame if it has the stored size, else in the upright frame if it has that size. Outlines are never scaled.

    Raises :class:`BadImageError`, with the ``reason``, where neither fits, :class:`UsageError` for a box beyond the photograph.
    """
    stored = (header.height, header.width)
    height, width = header.size
    if size not in (stored, header.size):
        claimed = " x ".join(str(side)[:20] for side in reversed(size))
        raise BadImageError(
            reason,
            f"The {what} is for {claimed} pixels, the photograph has {width} x {height}; outlines are never scaled.",
        )
    part = Box.of(box, header.size)
    return Frame(stored, header.orientation, part) if size == stored else Frame(header.size, 1, part)
