"""Tests that photographs are read and written with their depth, alpha, orientation and metadata. Pillow and tifffile judge."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from encoded_images import chunk, encode, encode_tiff, photograph, png_of
from PIL import Image, ImageOps

from blurkit.decode import read_image
from blurkit.errors import BadImageError, UsageError
from trainer.evaluation.images import Photograph, read_photograph, write_photograph

#: A profile that needs more than one segment of JPEG.
PROFILE = bytes(16) + b"RGB " + bytes(70_000)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def exif(orientation=6):
    block = Image.Exif()
    block[0x010F], block[0x0112], block[0x0132] = "Maker", orientation, "2024:05:01 10:00:00"
    block[0x8769] = {0x9209: 16, 0xA002: 83, 0xA003: 61, 0x927C: b"notes of the maker"}
    block[0x8825] = {1: "N", 2: (48.0, 30.0, 0.0)}
    return block


def carried(path):
    """What is to be carried over, as Pillow reads it."""
    with Image.open(path) as image:
        tags = image.getexif()
        details, place = tags.get_ifd(0x8769), tags.get_ifd(0x8825)
    return {
        "icc": image.info.get("icc_profile"),
        "maker": tags.get(0x010F),
        "orientation": tags.get(0x0112),
        "taken": tags.get(0x0132),
        "flash": details.get(0x9209),
        "notes": details.get(0x927C),
        "size": (details.get(0xA002), details.get(0xA003)),
        "north": place.get(1),
        "dpi": tuple(round(value) for value in image.info.get("dpi", ())),
    }


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("source", ["jpg", "png", "tif", "webp"])
def test_metadata_are_carried_over(tmp_path, source, target):
    photograph().save(tmp_path / f"x.{source}", exif=exif().tobytes(), icc_profile=PROFILE, dpi=(300, 200))
    read = read_photograph(tmp_path / f"x.{source}")
    assert read.metadata.notes == ()
    assert read.pixels.shape == (83, 61, 3)
    write_photograph(tmp_path / f"y.{target}", read)
    before, after = (carried(tmp_path / name) for name in (f"x.{source}", f"y.{target}"))
    assert before["orientation"] == 6
    assert before["notes"] == b"notes of the maker"
    assert before["icc"] == PROFILE
    expected = {**before, "orientation": 1, "size": (61, 83)}
    if source == "tif":  # its Exif size is not that of the block
        expected["size"] = after["size"]
    if "webp" in (source, target):  # WebP has no resolution of its own
        expected["dpi"] = after["dpi"]
    assert after == expected
    again = read_photograph(tmp_path / f"y.{target}")
    assert again.notes == ()
    assert np.abs(again.pixels.astype(int) - read.pixels).mean() < 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_xmp_is_carried_over(tmp_path, suffix):
    buffer = io.BytesIO()
    photograph().save(buffer, "JPEG", xmp=XMP)
    (tmp_path / "x.jpg").write_bytes(buffer.getvalue())
    write_photograph(tmp_path / f"y.{suffix}", read_photograph(tmp_path / "x.jpg"))
    assert read_photograph(tmp_path / f"y.{suffix}").metadata.xmp == XMP


def test_the_thumbnail_of_the_unrestored_photograph_is_dropped(tmp_path):
    """It is in a second directory of Exif."""
    first = struct.pack("<HHHIHHI", 1, 274, 3, 1, 1, 0, 26)
    block = b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<HHHIII", 1, 513, 4, 1, 44, 0)
    photograph().save(tmp_path / "x.jpg", exif=b"Exif\0\0" + block)
    write_photograph(tmp_path / "y.jpg", read_photograph(tmp_path / "x.jpg"))
    with Image.open(tmp_path / "y.jpg") as made:
        assert made.info["exif"] == b"Exif\0\0" + block[:22] + bytes(4) + block[26:]


def test_chunks_of_png_about_colours_are_kept(tmp_path):
    gamma = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cICP", bytes([12, 13, 0, 1]))
    (tmp_path / "x.png").write_bytes(png_of(np.asarray(photograph()), gamma))
    write_photograph(tmp_path / "y.png", read_photograph(tmp_path / "x.png"))
    assert gamma in (tmp_path / "y.png").read_bytes()


@pytest.mark.parametrize(
    "block", [b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\0\0\0\0"]
)
def test_damaged_exif_is_left_out_with_a_note(tmp_path, block):
    photograph().save(tmp_path / "x.jpg", exif=b"Exif\0\0" + block)
    read = read_photograph(tmp_path / "x.jpg")
    write_photograph(tmp_path / "y.jpg", read)
    assert "Exif" in "".join(read.notes) or Image.open(tmp_path / "y.jpg").getexif().get(274, 1) == 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_kept(tmp_path, rng, kind, suffix):
    values = rng.integers(0, np.iinfo(kind).max, (21, 34, 4), kind, endpoint=True)
    values[:5, :, 3] = 0  # the colours under transparent pixels are kept too
    (tmp_path / "x.png").write_bytes(png_of(values))
    read = read_photograph(tmp_path / "x.png")
    assert read.notes == ()
    np.testing.assert_array_equal(np.dstack([read.pixels, read.alpha]), values)
    notes = write_photograph(tmp_path / f"y{suffix}", read)
    again = read_photograph(tmp_path / f"y{suffix}")
    if suffix == ".webp" and kind is np.uint16:
        assert notes == ("16 bits rounded to 8",)
        values = np.rint(values / 257)
    np.testing.assert_array_equal(np.dstack([again.pixels, again.alpha]), values)


@pytest.mark.parametrize("extra", [1, 2])
def test_tiff_says_whether_colours_are_multiplied_by_alpha(tmp_path, rng, extra):
    values = rng.integers(0, 256, (21, 34, 4), np.uint8)
    (tmp_path / "x.tif").write_bytes(encode_tiff(values, extrasamples=[extra]))
    write_photograph(tmp_path / "y.tif", read_photograph(tmp_path / "x.tif"))
    np.testing.assert_array_equal(read_photograph(tmp_path / "y.tif").alpha, values[..., 3])
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        assert file.pages[0].extrasamples == (extra,)


def test_transparent_colours_become_alpha_or_are_refused(tmp_path):
    picture = photograph().quantize(8)
    picture.save(tmp_path / "palette.png", transparency=3)
    np.testing.assert_array_equal(read_photograph(tmp_path / "palette.png").alpha == 0, np.asarray(picture) == 3)
    photograph().convert("L").save(tmp_path / "grey.png", transparency=3)
    with pytest.raises(BadImageError, match="transparent parts"):
        read_photograph(tmp_path / "grey.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp"])
def test_grey_stays_grey(tmp_path, suffix):
    picture = photograph().convert("L")
    picture.save(tmp_path / "x.png", icc_profile=PROFILE[:16] + b"GRAY" + bytes(200))
    notes = write_photograph(tmp_path / f"y{suffix}", read_photograph(tmp_path / "x.png"))
    with Image.open(tmp_path / f"y{suffix}") as made:
        difference = np.abs(np.asarray(made.convert("L")).astype(int) - np.asarray(picture))
    assert made.mode == ("RGB" if suffix == ".webp" else "L")
    assert ("grey to RGB" in notes) == (suffix == ".webp")
    assert ("icc_profile" in made.info) == (suffix not in (".webp", ".bmp"))
    assert difference.mean() < (3 if suffix == ".jpg" else 1e-9)


def test_grey_of_sixteen_bits_stays_so(tmp_path, rng):
    deep = rng.integers(0, 65536, (21, 34), np.uint16)
    for suffix in (".png", ".tif"):
        cv2.imwrite(str(tmp_path / f"x{suffix}"), deep)
        assert write_photograph(tmp_path / f"y{suffix}", read_photograph(tmp_path / f"x{suffix}")) == ()
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"y{suffix}"), cv2.IMREAD_UNCHANGED), deep)


def test_sixteen_bits_are_read_as_they_are(tmp_path, rng):
    deep = rng.integers(0, 65536, (9, 14, 3), np.uint16)
    for suffix in (".png", ".tif"):
        cv2.imwrite(str(tmp_path / f"x{suffix}"), deep)
        read = read_photograph(tmp_path / f"x{suffix}")
        assert read.pixels.dtype == np.uint16
        np.testing.assert_array_equal(read.pixels, deep[..., ::-1])
        assert read.notes == ()
        assert write_photograph(tmp_path / f"y{suffix}", read) == ()
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"y{suffix}"), cv2.IMREAD_UNCHANGED), deep)
    assert write_photograph(tmp_path / "y.bmp", Photograph(read.pixels)) == ("16 bits rounded to 8",)
    np.testing.assert_array_equal(read_image(tmp_path / "y.bmp").pixels, np.rint(deep[..., ::-1] / 257))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_and_alpha_of_sixteen_bits_are_turned_as_pillow_turns_eight(tmp_path, rng, orientation):
    few = rng.integers(0, 256, (5, 9, 4), np.uint8)
    turned = Image.fromarray(few)
    turned.getexif()[0x0112] = orientation
    deep, block = few.astype(np.uint16) * 257, exif(orientation)
    (tmp_path / "x.png").write_bytes(png_of(deep, chunk(b"eXIf", block.tobytes()[6:])))
    (tmp_path / "x.tif").write_bytes(encode_tiff(deep, extratags=[(274, 3, 1, orientation, True)], extrasamples=[2]))
    expected = np.asarray(ImageOps.exif_transpose(turned)).astype(np.uint16) * 257
    for name in ("x.png", "x.tif"):
        read = read_photograph(tmp_path / name)
        np.testing.assert_array_equal(np.dstack([read.pixels, read.alpha]), expected)
        write_photograph(tmp_path / f"y{name[1:]}", read)
        again = read_photograph(tmp_path / f"y{name[1:]}")
        np.testing.assert_array_equal(np.dstack([again.pixels, again.alpha]), expected)


def test_formats_without_loss_come_back_exactly(tmp_path, rng):
    pixels = rng.integers(0, 256, (11, 7, 3), np.uint8)
    for suffix in (".png", ".tif", ".tiff", ".bmp", ".webp"):
        assert write_photograph(tmp_path / f"x{suffix}", Photograph(pixels)) == ()
        np.testing.assert_array_equal(read_photograph(tmp_path / f"x{suffix}").pixels, pixels)
    with pytest.raises(UsageError, match=r"cannot write \.gif; use one of"):
        write_photograph(tmp_path / "x.gif", Photograph(pixels))
    with pytest.raises(BadImageError):
        read_photograph(tmp_path / "missing.png")


def test_what_a_format_cannot_hold_is_said(tmp_path):
    (tmp_path / "x.png").write_bytes(encode(photograph().convert("RGBA"), "PNG", icc_profile=PROFILE))
    read = read_photograph(tmp_path / "x.png")
    assert write_photograph(tmp_path / "y.jpg", read) == ("alpha dropped",)
    assert write_photograph(tmp_path / "y.bmp", read) == ("alpha dropped", "metadata dropped, which BMP cannot hold")
