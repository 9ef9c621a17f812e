"""Decodes photographs: bytes -> checked 8-bit RGB pixels.

A file is read once. Its first bytes decide the format. Its header gives the size before memory is allocated. The file is proved
complete, and only then given to OpenCV. ``Decoded.notes`` lists each change between the file and the pixels. A file that cannot
be used raises :class:`blurkit.errors.BadImageError`. The error's reason is one of ``missing``, ``not_a_file``, ``unreadable``,
``empty``, ``not_an_image``, ``unsupported``, ``too_large``, ``truncated`` and ``corrupt``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.body import Body, read_body
from blurkit.decode.damage import damage_in
from blurkit.decode.header import Header, read_header
from blurkit.decode.nativelog import catch_messages
from blurkit.errors import BadImageError, UnreadableFileError
from blurkit.program.files import FilePath, open_regular, read_all

#: The most pixels that are decoded by default.
MAX_PIXELS = 120_000_000

_MAX_SIDE = 1 << 20  # OpenCV's own limit
_FILE_SLACK = 16 << 20  # bytes that a file may have in addition to 8 for each pixel
_FEW_PIXELS = 16_000_000  # images up to this size are decoded at once, however few bytes they have
_PADDING = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded photograph.

    ``pixels``: uint8 (H, W, 3), or uint16 if ``deep`` was set, RGB, upright, contiguous. ``sha256``: of the file's bytes, in
    hexadecimal digits. ``notes``: each change that a viewer does not notice, such as ``16 bits rounded to 8``, ``alpha dropped``
    or ``rotated by EXIF orientation 6``. ``focal_35mm``: as in :class:`blurkit.decode.header.Header`.
    """

    pixels: Pixels
    sha256: str
    notes: tuple[str, ...]
    focal_35mm: int = 0


def read_image(path: FilePath, *, max_pixels: int = MAX_PIXELS, deep: bool = False) -> Decoded:
    """Reads and decodes an image file; see :func:`decode_image`.

    Only a regular file or a link to a regular file is read. A named pipe or a device is refused without waiting.
    """
    with _opened(path) as file:
        if len(file) > _FILE_SLACK:
            room = _FILE_SLACK + 8 * _checked(read_header(file), max_pixels)
            if len(file) > room:
                raise BadImageError("too_large", f"The file has {len(file)} bytes, many more than its pixels can need.")
        data = file.read()
    return decode_image(data, max_pixels=max_pixels, deep=deep)


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS, deep: bool = False) -> Decoded:
    """Decodes the bytes of a JPEG, PNG, WebP, BMP, TIFF or GIF file to 8-bit RGB, turned upright by the Exif orientation.

    Samples of 16 bits become ``round(v / 257)``; with ``deep`` they stay uint16. Transparency is dropped, and the colours are
    kept as stored. Colour profiles are not applied. The first of several frames is decoded. Memory: the pixels, a 16-bit or
    unrotated copy of them if the file needs one, and at most twice ``data``. Raises :class:`BadImageError`.
    """
    header = read_header(data)
    _checked(header, max_pixels)
    body = read_body(data, header)
    pixels, complaints = _decode(body, header, deep=deep)
    notes = _notes(header, deep=deep) + body.notes + complaints
    return Decoded(pixels, hashlib.sha256(data).hexdigest(), notes, header.focal_35mm)


def image_size(source: FilePath, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Returns (height, width) in pixels of the upright image. Only the headers are read.

    ``source``: a path, or the content of a file as ``bytes``. Raises the errors that :func:`decode_image` raises for a header.
    """
    return image_header(source, max_pixels=max_pixels).size


def image_header(source: FilePath, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Returns the header of an image file; see :func:`image_size`."""
    with nullcontext(source) if isinstance(source, bytes) else _opened(source) as file:
        header = read_header(file)
    _checked(header, max_pixels)
    return header


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turns a stored array (H, W) or (H, W, C) of numbers, not bool, upright. ``orientation``: as in Exif, 1 to 8."""
    turned = cv2.transpose(image) if orientation >= 5 else image
    axis = (None, 1, -1, 0)[(orientation - 1) % 4]  # as in cv2.flip: 1 mirrors the columns, 0 the rows, -1 both
    return np.asarray(turned if axis is None else cv2.flip(turned, axis))


def imdecode(data: bytes, flags: int) -> tuple[Any, list[str]]:
    """Returns the pixels that OpenCV decodes from the bytes of a file, ``None`` if it fails, and the messages of damage.

    Raises :class:`MemoryError`, so that a lack of memory is not taken for a damaged file.
    """

    def decode() -> Any:
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError(f"not enough memory to decode an image: {error.err}") from error
            return None

    pixels, messages = catch_messages(decode)
    if any("Insufficient memory" in message for message in messages):
        raise MemoryError("not enough memory to decode an image")
    return pixels, damage_in(messages)


class _File:
    """An open regular file that is sliced like bytes."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _head(self) -> bytes:
        return os.pread(self._descriptor, 1 << 16, 0)  # most headers are shorter

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(self._size)
        if stop <= len(self._head):
            return self._head[start:stop]
        return os.pread(self._descriptor, max(stop - start, 0), start)

    def read(self) -> bytes:
        """Returns the bytes that the file had when it was opened, even if it has grown since."""
        return read_all(self._descriptor, self._size)


@contextmanager
def bad_image() -> Iterator[None]:
    """Raises :class:`BadImageError` for a file that cannot be read within the block."""
    try:
        yield
    except BadImageError:
        raise
    except UnreadableFileError as error:
        raise BadImageError(error.reason, str(error)) from error


@contextmanager
def _opened(path: FilePath) -> Iterator[_File]:
    with bad_image(), open_regular(path) as descriptor:
        yield _File(descriptor, os.fstat(descriptor).st_size)


def _checked(header: Header, max_pixels: int) -> int:
    pixels = header.height * header.width
    if pixels > max_pixels or max(header.height, header.width) > _MAX_SIDE:
        raise BadImageError(
            "too_large",
            f"The image claims {header.width} x {header.height} pixels; the limit is {max_pixels} pixels and {_MAX_SIDE} a side.",
        )
    return pixels


def _notes(header: Header, *, deep: bool) -> tuple[str, ...]:
    changes = {
        "16 bits rounded to 8": header.depth == 16 and not deep,
        f"{header.colour} to RGB": header.colour != "RGB",
        f"{header.alpha} dropped": header.alpha,
        f"rotated by EXIF orientation {header.orientation}": header.orientation > 1,
    }
    return tuple(note for note, happened in changes.items() if happened)


def _decode(body: Body, header: Header, *, deep: bool) -> tuple[Pixels, tuple[str, ...]]:
    """Returns the pixels and the notes about harmless complaints of the decoder."""
    # OpenCV 5.0 ignores IMREAD_COLOR_RGB for 16-bit TIFF, and it always turns TIFF images upright, despite the flags.
    tiff = header.format == "TIFF"
    flags = cv2.IMREAD_COLOR if tiff else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    if header.depth == 16:
        flags |= cv2.IMREAD_ANYDEPTH
    if header.format == "JPEG" and header.height * header.width > max(_FEW_PIXELS, 8 * len(body.data)):
        # So few bytes may be a small image under the header of a large one. A reduced image costs little and shows it.
        _check_damage(body, header, *imdecode(body.data, cv2.IMREAD_REDUCED_COLOR_8))
    pixels, damage = imdecode(body.data, flags)
    notes = _check_damage(body, header, pixels, damage)
    expected = (*(header.size if tiff else (header.height, header.width)), 3), 16 if header.depth == 16 else 8
    given = pixels.shape, 8 * pixels.itemsize
    if given != expected:
        raise BadImageError("corrupt", f"The {header.format} header states (shape, bits) {expected}, but the data have {given}.")
    if header.depth == 16 and not deep:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if tiff:
        return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), notes
    return upright(pixels, header.orientation), notes


def _check_damage(body: Body, header: Header, pixels: Any, damage: list[str]) -> tuple[str, ...]:
    """Raises ``corrupt`` if the decoder found damage. Returns notes about zeros after the pixels, which are no damage."""
    padding = body.padding and len(damage) == 1 and _PADDING.search(damage[0])
    if pixels is not None and padding and int(padding[1]) <= body.padding:
        return (f"{padding[1]} bytes of padding after the JPEG scan ignored",)
    if pixels is None or damage:
        detail = damage[0] if damage else "OpenCV cannot decode them"
        raise BadImageError("corrupt", f"The {header.format} data are damaged: {detail}.")
    return ()
