"""Maps an annotation from the frame in which it was drawn to a rectangle of the upright photograph."""

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
    """The frame of an annotation, and the wanted part of the photograph.

    ``size``: (height, width) of the annotation in pixels. ``orientation``: turns the annotation upright, as in Exif. ``box``: the
    wanted rectangle of the upright photograph.
    """

    size: tuple[int, int]
    orientation: int
    box: Box

    @property
    def cut_size(self) -> tuple[int, int]:
        return self.box[2:]

    def cut(self, image: NDArray[Any]) -> NDArray[Any]:
        """Returns the wanted rectangle, upright, of an array of numbers (not bool) in the annotation's frame."""
        return np.ascontiguousarray(upright(image, self.orientation)[self.box.slices])


def find_frame(
    size: tuple[Any, Any],
    header: Header,
    box: Box | None,
    what: str,
    reason: str = "size_mismatch",
    *,
    upright_if_unsure: bool | None = None,
) -> Frame:
    """Returns the frame of an annotation.

    ``size``: (height, width) of the annotation. ``header``: of the photograph. ``box``: the wanted rectangle of the upright
    photograph; ``None`` means all of it. ``what``: names the annotation in the error message.

    Some annotation tools apply the Exif orientation and some do not. So an annotation of the stored size is in the stored frame,
    and one of the upright size in the upright frame. If both sizes are equal, ``upright_if_unsure`` decides; if this is ``None``,
    the stored frame is taken. Outlines are never scaled.

    Raises :class:`BadImageError` with ``reason`` if the annotation has neither size, :class:`UsageError` if the box is empty or
    leaves the photograph.
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
    is_upright = upright_if_unsure if is_unsure(header) else size != stored
    return Frame(header.size, 1, part) if is_upright else Frame(stored, header.orientation, part)


def is_unsure(header: Header) -> bool:
    """Whether a turned photograph has the same size stored and upright, so that an annotation's size does not tell its frame."""
    return header.orientation > 1 and header.size == (header.height, header.width)
