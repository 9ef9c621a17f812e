"""Tests the lengths of compressed data against what other libraries compressed, and large images of few bytes."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from encoded_images import encode
from peak_memory import refusal
from PIL import Image

from blurkit.decode import body, decode_image
from blurkit.decode.streams import length_of_deflate, length_of_lzw, length_of_packbits


def pictures(rng):
    """Noise, which fills LZW's table again and again, and flat areas, which give long strings."""
    yield rng.integers(0, 256, (90, 70), np.uint8)
    yield np.repeat(rng.integers(0, 4, (30, 7)), 90, 1).astype(np.uint8)
    yield np.zeros((300, 500), np.uint8)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_strips_of_tiff_have_the_lengths_that_libtiff_compressed(rng, compression):
    count = {
        "tiff_lzw": lambda data, most: length_of_lzw(data, 8, most, tiff=True),
        "tiff_adobe_deflate": length_of_deflate,
        "packbits": length_of_packbits,
    }[compression]
    for pixels in pictures(rng):
        data = encode(Image.fromarray(pixels), "TIFF", compression=compression)
        page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
        strips = [data[at : at + size] for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
        assert sum(count(strip, 10**9) for strip in strips) == pixels.size
        assert count(strips[0], 33) == 33
        assert count(strips[0][: len(strips[0]) // 2], 10**9) < count(strips[0], 10**9)
        assert count(b"", 9) == 0


@pytest.mark.parametrize("interlace", [0, 1])
def test_frames_of_gif_have_the_lengths_that_pillow_compressed(rng, interlace):
    for pixels in pictures(rng):
        data = encode(Image.fromarray(pixels), "GIF", interlace=interlace)
        flags, position = data[10], 13
        position += 3 * (2 << (flags & 7))
        while data[position] == 0x21:
            position += 2
            while data[position]:
                position += 1 + data[position]
            position += 1
        bits, position, blocks = data[position + 10], position + 11, b""
        while data[position]:
            blocks, position = blocks + data[position + 1 : position + 1 + data[position]], position + 1 + data[position]
        assert length_of_lzw(blocks, bits, 10**9, tiff=False) == pixels.size
        assert length_of_lzw(blocks[: len(blocks) // 2], bits, 10**9, tiff=False) < pixels.size


def as_large(kind, rng, side=10_900):
    """A sound image of 300 pixels a side, whose header says that it has ``side``."""
    image = Image.fromarray(rng.integers(0, 256, (300, 300, 3), np.uint8))
    if kind == "gif":
        data = bytearray(encode(image.quantize(255), "GIF"))
        at = data.index(b",", 13 + 768)
        data[6:10] = data[at + 5 : at + 9] = struct.pack("<HH", side, side)
        return bytes(data)
    data = bytearray(encode(image, "TIFF", compression=kind))
    tags = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0].tags
    values = {
        **dict.fromkeys(("ImageWidth", "ImageLength", "RowsPerStrip"), side),
        "StripOffsets": tags["StripOffsets"].value[0],
        "StripByteCounts": sum(tags["StripByteCounts"].value),
    }
    for name, value in values.items():
        at = tags[name].offset
        data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(data)


@pytest.mark.parametrize("kind", ["gif", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_small_image_under_the_header_of_a_large_one_is_refused_in_little_memory(tmp_path, rng, kind):
    (tmp_path / "large").write_bytes(as_large(kind, rng))
    reason, megabytes = refusal(tmp_path / "large")
    assert reason in ("corrupt", "truncated")
    assert megabytes < 50


def test_sound_images_of_few_bytes_are_counted_and_read(monkeypatch):
    monkeypatch.setattr(body, "_FEW_BYTES", 1000)
    counted = []
    for name in ("length_of_lzw", "length_of_deflate", "length_of_packbits"):
        count = getattr(body, name)
        monkeypatch.setattr(body, name, lambda *a, _count=count, **k: counted.append(1) or _count(*a, **k))
    stripes = Image.fromarray(np.repeat(np.arange(360, dtype=np.uint8)[:, None] // 8 * 8, 500, 1))
    files = [encode(stripes.quantize(32), "GIF")]
    files += [encode(stripes, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")]
    for data in files:
        assert len(data) < 500 * 360 // 8
        assert decode_image(data).pixels.shape == (360, 500, 3)
    assert len(counted) >= 4


def test_damaged_zlib_data_end_where_the_damage_is_noticed(rng):
    data = bytearray(zlib.compress(rng.integers(0, 256, 100_000, np.uint8).tobytes() * 3))
    assert length_of_deflate(bytes(data), 10**9) == 300_000
    data[2] ^= 0xFF
    assert length_of_deflate(bytes(data), 10**9) < 300_000
