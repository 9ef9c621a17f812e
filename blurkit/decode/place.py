"""Says where an image is stored: in a file of its own, in one half of a file, or in an array."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from blurkit.decode.image import Decoded, image_size, read_image
from blurkit.decode.image_arrays import ARRAY, ARRAYS, find_array, read_array_image
from blurkit.errors import BadImageError


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where an image is stored. ``path``: the file. ``key``: the name of its array in a ``.npz`` file. ``number``: its number in
    an array of images. ``half``: ``left`` or ``right`` if it is one half of what is stored there. Empty and None mean all."""

    path: str
    key: str = ""
    number: int | None = None
    half: str = ""

    @property
    def is_array(self) -> bool:
        """Whether the file is an array."""
        return Path(self.path).suffix.lower() in (ARRAY, ARRAYS)

    def __str__(self) -> str:
        number = "" if self.number is None else f"[{self.number}]"
        return f"{self.path}{self.key and '/' + self.key}{number}{self.half and f' ({self.half} half)'}"

    def within(self, root: Path) -> str:
        """The place for people, relative to a folder, or to the folder of a file."""
        return str(replace(self, path=os.path.relpath(self.path, root if root.is_dir() else root.parent)))

    def count(self) -> int | None:
        """The number of images in an array of several images, otherwise None. Only an array is opened. Raises
        :class:`BadImageError`."""
        return find_array(self.path, self.key).count if self.is_array else None

    def item(self, number: int) -> ImagePlace:
        """The place of one image of an array."""
        return replace(self, number=number)

    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels, from a header. Raises :class:`BadImageError`."""
        if self.is_array:
            array = find_array(self.path, self.key)
            height, width = array.height, array.width
        else:
            height, width = image_size(self.path)
        if self.half and width % 2:
            raise BadImageError("odd_width", f"{self.path} is {width}x{height} pixels, and an odd width has no two halves")
        return height, width // 2 if self.half else width

    def read(self) -> Decoded:
        """The decoded image. Its sha256 is that of the file, or of the bytes of the image in an array. Raises
        :class:`BadImageError`, see :func:`blurkit.decode.image.read_image`."""
        if self.is_array:
            pixels = read_array_image(self.path, self.key, self.number)
            decoded = Decoded(pixels, hashlib.sha256(pixels.data).hexdigest(), ())
        else:
            decoded = read_image(self.path)
        if not self.half:
            return decoded
        self.size()
        halves = np.split(decoded.pixels, 2, axis=1)
        return replace(
            decoded, pixels=np.ascontiguousarray(halves[self.half == "right"]), notes=(*decoded.notes, f"{self.half} half")
        )
