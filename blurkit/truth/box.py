"""Rectangles of images, in whole pixels."""

from __future__ import annotations

from typing import NamedTuple

from blurkit.errors import UsageError


class Box(NamedTuple):
    """The rectangle of ``height`` x ``width`` pixels whose first row is ``y`` and whose first column is ``x``."""

    y: int
    x: int
    height: int
    width: int

    @classmethod
    def of(cls, box: tuple[int, int, int, int] | None, shape: tuple[int, ...]) -> Box:
        """``box`` as a Box, or all of an image of ``shape`` (H, W, ...) for ``None``.

        Raises :class:`UsageError` for a box that is empty or leaves the image.
        """
        found = cls(0, 0, *shape[:2]) if box is None else cls(*box)
        if min(found[:2]) < 0 or min(found[2:]) < 1 or found.bottom > shape[0] or found.right > shape[1]:
            raise UsageError(
                f"the box (y, x, h, w) = {tuple(found)} is empty or leaves the image of {shape[0]} x {shape[1]} pixels"
            )
        return found

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.x + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns: ``image[box.slices]``."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def within(self, outer: Box) -> Box:
        """The same pixels, counted from the first pixel of another box."""
        return self._replace(y=self.y - outer.y, x=self.x - outer.x)

    def grown(self, pixels: int, shape: tuple[int, ...]) -> Box:
        """Wider by ``pixels`` on each side, as far as an image of ``shape`` (H, W, ...) reaches."""
        y, x = max(self.y - pixels, 0), max(self.x - pixels, 0)
        return Box(y, x, min(self.bottom + pixels, shape[0]) - y, min(self.right + pixels, shape[1]) - x)
