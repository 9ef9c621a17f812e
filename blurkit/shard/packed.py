"""The masks of objects as a shard stores them: one bit per pixel, unpacked on first use."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.shard.columns import Shape
from blurkit.truth.masks import Masks


class PackedMasks(Masks):
    """Masks with packed planes. ``shape``: (h, w). ``bits``: ``np.packbits`` of each plane, rows from the top,
    uint8 (n, ceil(h w / 8))."""

    bits: NDArray[np.uint8]
    shape: Shape

    def __init__(
        self, bits: NDArray[np.uint8], shape: Shape, names: tuple[str, ...], ids: tuple[int, ...], crowd: tuple[bool, ...]
    ) -> None:
        # Masks.__init__ needs the planes, and the frozen class allows no assignment: set the attributes directly.
        self.__dict__.update(bits=bits, shape=shape, names=names, ids=ids, crowd=crowd, problems=())

    @functools.cached_property
    def masks(self) -> NDArray[np.bool_]:
        return unpack_planes(self.bits, self.shape)


def pack(objects: Masks, shape: Shape) -> PackedMasks:
    """The packed masks of an image of this (height, width). Packed masks are returned unchanged.

    Raises :class:`UsageError` unless each object has a bool mask of the image's size, a name, a number and a crowd flag.
    """
    height, width = shape
    if isinstance(objects, PackedMasks):
        if objects.shape != shape:
            raise UsageError(f"masks of {objects.shape[1]}x{objects.shape[0]} pixels do not fit an image of {width}x{height}")
        return objects
    planes, count = objects.masks, len(objects)
    if planes.dtype != np.bool_ or planes.shape != (count, height, width) or {len(objects.ids), len(objects.crowd)} != {count}:
        raise UsageError(
            f"{count} names, {len(objects.ids)} ids and {len(objects.crowd)} crowd flags need masks of bool "
            f"{(count, height, width)} for this image, got {planes.dtype} {planes.shape}"
        )
    bits = np.packbits(planes.reshape(count, height * width), axis=1)
    return PackedMasks(bits, shape, objects.names, objects.ids, objects.crowd)


def unpack_planes(bits: NDArray[np.uint8], shape: Shape) -> NDArray[np.bool_]:
    """The planes of packed bits, bool (n, h, w)."""
    height, width = shape
    return np.unpackbits(bits, axis=1, count=height * width).reshape(len(bits), height, width).view(bool)


def plane_bytes(height: int, width: int) -> int:
    """The number of bytes of one packed plane. Zeros pad its last byte."""
    return -(-height * width // 8)
