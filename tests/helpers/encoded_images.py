"""Encoded images that other libraries wrote, or that are built byte by byte, for the tests of decoding."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 61, 83


def photograph() -> Image.Image:
    """Smooth colours with some texture. Rotations and reflections change it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    channels = [128 + 100 * np.sin(x / 9 + k) * np.cos(y / (7 + k)) + 20 * ((x // 3 + y // 5) % 2) for k in range(3)]
    return Image.fromarray(np.clip(np.dstack(channels), 0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric=options.pop("photometric", "rgb"), metadata=None, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height: int, width: int, depth: int, colour: int, rows: bytes, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_of(array: np.ndarray, before: bytes = b"") -> bytes:
    """The bytes of a PNG without filters, of an array (H, W, channels), uint8 or uint16."""
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in array)
    height, width, channels = array.shape
    return png(height, width, 8 * array.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, before)
