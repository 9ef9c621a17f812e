"""A rectangle of an image, in whole pixels."""

from __future__ import annotations

from typing import NamedTuple

from blurkit.errors import UsageError


class Box(NamedTuple):
    """A rectangle of ``height`` x ``width`` pixels. ``y`` is its first row, ``x`` its first column."""

    y: int
    x: int
    height: int
    width: int

    @classmethod
    def of(cls, box: tuple[int, int, int, int] | None, shape: tuple[int, ...]) -> Box:
        """``box`` as a Box. ``None`` gives the box of a whole image of ``shape`` (H, W, ...).

        Raises :class:`UsageError` if the box is empty or leaves the image.
        """
        made = cls(0, 0, *shape[:2]) if box is None else cls(*box)
        if min(made[:2]) < 0 or min(made[2:]) < 1 or made.bottom > shape[0] or made.right > shape[1]:
            raise UsageError(
                f"the box (y, x, h, w) = {tuple(made)} is empty or leaves the image of {shape[0]} x {shape[1]} pixels"
            )
        return made

    @property
    def bottom(self) -> int:
        """The first row below the box."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The first column to the right of the box."""
        return self.x + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns of the box, as slices: ``image[box.slices]``."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def within(self, outer: Box) -> Box:
        """The same pixels, in coordinates that begin at the first pixel of ``outer``."""
        return self._replace(y=self.y - outer.y, x=self.x - outer.x)

    def grown(self, pixels: int, shape: tuple[int, ...]) -> Box:
        """The box with a margin of ``pixels`` on each side, cut at the border of an image of ``shape`` (H, W, ...)."""
        y, x = max(self.y - pixels, 0), max(self.x - pixels, 0)
        return Box(y, x, min(self.bottom + pixels, shape[0]) - y, min(self.right + pixels, shape[1]) - x)
