"""A rectangle of an image."""

from __future__ import annotations

#: First row, first column, height and width, in pixels.
Box = tuple[int, int, int, int]
