"""Tests decoding of images against Pillow's decoding, and the errors for paths that cannot be read."""

import hashlib
import io
import os

import numpy as np
import pytest
from encoded_images import HEIGHT, WIDTH, encode, encode_tiff, png_of
from PIL import Image, ImageOps

from blurkit.decode import decode_image, image_size, read_image
from blurkit.errors import BadImageError


@pytest.fixture(scope="module")
def alpha() -> Image.Image:
    return Image.fromarray((np.indices((HEIGHT, WIDTH)).sum(0) * 5 % 256).astype(np.uint8))


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


LOSSLESS = [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "tiff_adobe_deflate"}), ("TIFF", {"compression": "packbits"})]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_give_the_very_pixels(photo, kind, options):
    data = encode(photo, kind, **options)
    decoded = decode_image(data)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    np.testing.assert_array_equal(decoded.pixels, np.asarray(photo))
    assert decoded.notes == ()
    assert decoded.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("mode", "kind", "options", "notes"), [
    ("RGB", "JPEG", {}, ()),
    ("RGB", "JPEG", {"progressive": True}, ()),
    ("RGB", "JPEG", {"quality": 10, "subsampling": 2}, ()),
    ("RGB", "JPEG", {"quality": 100, "subsampling": 0}, ()),
    ("RGB", "JPEG", {"keep_rgb": True}, ()),
    ("RGB", "JPEG", {"restart_marker_rows": 1}, ()),
    ("L", "JPEG", {}, ("grey to RGB",)),
    ("CMYK", "JPEG", {}, ("CMYK to RGB",)),
    ("RGB", "WEBP", {"quality": 80}, ()),
    ("RGB", "TIFF", {"compression": "jpeg"}, ()),
    ("CMYK", "TIFF", {}, ("CMYK to RGB",)),
    ("L", "TIFF", {}, ("grey to RGB",)),
    ("P", "TIFF", {"compression": "tiff_lzw"}, ("palette to RGB",)),
    ("L", "PNG", {}, ("grey to RGB",)),
    ("1", "PNG", {}, ("grey to RGB",)),
    ("P", "PNG", {}, ("palette to RGB",)),
    ("P", "GIF", {}, ("palette to RGB",)),
    ("P", "GIF", {"interlace": 1}, ("palette to RGB",)),
    ("P", "BMP", {}, ("palette to RGB",)),
    ("1", "BMP", {}, ("palette to RGB",)),
])  # fmt: skip
def test_pixels_equal_pillows(photo, mode, kind, options, notes):
    data = encode(photo.convert(mode), kind, **options)
    decoded = decode_image(data)
    tolerance = 1 if mode == "CMYK" or kind in ("JPEG", "WEBP") or "jpeg" in options.values() else 0
    np.testing.assert_allclose(decoded.pixels.astype(int), pillow(data), atol=tolerance)
    assert decoded.notes == notes


@pytest.mark.parametrize("transform", [0, 2])
def test_cmyk_and_ycck_jpeg_with_and_without_the_adobe_marker(photo, transform):
    data = encode(photo.convert("CMYK"), "JPEG")
    at = data.index(b"Adobe")
    changed = data[: at + 11] + bytes([transform]) + data[at + 12 :]
    np.testing.assert_allclose(decode_image(changed).pixels.astype(int), pillow(changed), atol=1)
    bare = data[: at - 4] + data[at + 12 :]
    np.testing.assert_allclose(decode_image(bare).pixels.astype(int), pillow(bare), atol=1)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}),
                                               ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {})])  # fmt: skip
def test_the_colour_under_transparency_is_kept(photo, alpha, kind, options):
    clear = photo.convert("RGBA")
    clear.putalpha(alpha)
    decoded = decode_image(encode(clear, kind, **options))
    np.testing.assert_array_equal(decoded.pixels, np.asarray(photo))
    assert ("alpha dropped" in decoded.notes) == (kind != "BMP")  # Pillow writes the fourth byte of BMP as reserved


def test_grey_with_alpha_and_transparent_colours(photo, alpha):
    grey = photo.convert("LA")
    grey.putalpha(alpha)
    expected = np.asarray(photo.convert("L").convert("RGB"))
    for kind in ("PNG", "TIFF"):
        decoded = decode_image(encode(grey, kind))
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.notes == ("grey to RGB", "alpha dropped")
    palette = photo.quantize(64)
    for kind, notes in (("PNG", ("palette to RGB", "tRNS dropped")), ("GIF", ("palette to RGB",))):
        decoded = decode_image(encode(palette, kind, transparency=3))
        np.testing.assert_array_equal(decoded.pixels, np.asarray(palette.convert("RGB")))
        assert decoded.notes == notes


def test_sixteen_bits_are_rounded_and_not_cut_off():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    rounded = (2 * values.astype(int) + 257) // 514  # the nearest whole number to v / 257; there are no ties
    decoded = decode_image(png_of(values))
    np.testing.assert_array_equal(decoded.pixels, np.repeat(rounded, 3, axis=2))
    assert decoded.notes == ("16 bits rounded to 8", "grey to RGB")


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"rowsperstrip": 7}, {"bigtiff": True}])
def test_sixteen_bit_colour_keeps_its_channels_apart(rng, byteorder, options):
    values = rng.integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)
    rounded = (2 * values.astype(int) + 257) // 514
    for channels in (3, 4):
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        stored = values[..., :channels]
        for data in (encode_tiff(stored, byteorder=byteorder, **options, **extra), png_of(stored)):
            np.testing.assert_array_equal(decode_image(data).pixels, rounded[..., :3])


def test_tiff_in_planes(photo, alpha):
    planes = np.moveaxis(np.dstack([photo, alpha]), 2, 0)
    for stored, options in ((planes[:3], {}), (planes, {"extrasamples": ["unassalpha"]})):
        data = encode_tiff(stored, planarconfig="separate", rowsperstrip=10, **options)
        np.testing.assert_array_equal(decode_image(data).pixels, np.asarray(photo))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}),
                                               ("TIFF", {"compression": "jpeg"})])  # fmt: skip
def test_exif_orientation(tmp_path, photo, orientation, kind, options):
    exif = Image.Exif()
    exif[274] = orientation
    data = encode(photo, kind, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    decoded = decode_image(data)
    np.testing.assert_allclose(decoded.pixels.astype(int), expected, atol=0 if kind in ("PNG", "WEBP") else 1)
    assert decoded.pixels.flags.c_contiguous
    assert decoded.notes == ((f"rotated by EXIF orientation {orientation}",) if orientation > 1 else ())
    path = tmp_path / "image"
    path.write_bytes(data)
    assert image_size(data) == image_size(path) == expected.shape[:2]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation_at_both_depths(rng, depth, orientation):
    values = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint16) * 257
    stored = values if depth == 16 else (values // 257).astype(np.uint8)
    upright = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
               5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
               8: lambda a: np.rot90(a)}[orientation]  # fmt: skip
    data = encode_tiff(stored, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(decode_image(data).pixels, upright(values // 257))
    grey = encode_tiff(stored[..., 0], photometric="minisblack", extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(decode_image(grey).pixels[..., 0], upright(values[..., 0] // 257))


@pytest.mark.parametrize("value", [0, 9, 255])
def test_meaningless_orientations_are_ignored(photo, value):
    exif = Image.Exif()
    exif[274] = value
    for kind in ("JPEG", "PNG", "TIFF"):
        decoded = decode_image(encode(photo, kind, exif=exif))
        assert (decoded.pixels.shape[:2], decoded.notes) == ((HEIGHT, WIDTH), ())


def test_the_first_of_several_frames(photo, alpha):
    clear = photo.convert("RGBA")
    clear.putalpha(alpha.point(lambda value: max(value, 1)))  # WebP's encoder of animations clears the colour under 0
    for kind, options in (("PNG", {}), ("PNG", {"default_image": True}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = encode(clear, kind, save_all=True, append_images=[clear.rotate(90 * k) for k in (1, 2)], **options)
        decoded = decode_image(data)
        np.testing.assert_array_equal(decoded.pixels, np.asarray(photo))
        assert "first of several frames" in decoded.notes
    data = encode(photo.quantize(64), "GIF", save_all=True, append_images=[photo.rotate(90).quantize(64)])
    np.testing.assert_array_equal(decode_image(data).pixels, pillow(data))
    assert "first of several frames" in decode_image(data).notes


def test_paths_that_are_no_readable_files(tmp_path, monkeypatch):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "empty.jpg").touch()
    reasons = {"folder.jpg": "not_a_file", "pipe.jpg": "not_a_file", "loop.jpg": "unreadable", "broken.jpg": "missing",
               "empty.jpg": "empty", "absent.jpg": "missing", "empty.jpg/below": "missing", "nul\0.jpg": "missing",
               "surrogate\ud800.jpg": "missing", "x" * 300: "unreadable"}  # fmt: skip
    for name, reason in reasons.items():
        for function in (read_image, image_size):
            with pytest.raises(BadImageError) as caught:
                function(os.path.join(tmp_path, name))
            assert caught.value.reason == reason
            assert str(tmp_path) not in str(caught.value)
    with pytest.raises(BadImageError, match="not a file"):
        read_image("/dev/zero")

    def fail(number):
        def raise_error(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", raise_error)

    fail(13)  # EACCES, which cannot be produced as superuser
    with pytest.raises(BadImageError) as caught:
        read_image("secret.jpg")
    assert caught.value.reason == "unreadable"
    fail(24)  # EMFILE: a fault of the machine, not of the photograph
    with pytest.raises(OSError, match="Too many open files"):
        read_image("any.jpg")


def test_names_of_any_bytes_and_links(tmp_path, photo):
    data = encode(photo, "PNG")
    name = os.path.join(os.fsencode(tmp_path), b"latin1_\xe9\xff.jpg")
    with open(name, "wb") as file:
        file.write(data)
    (tmp_path / "link").symlink_to(os.fsdecode(name))
    for path in (name, os.fsdecode(name), tmp_path / "link"):
        decoded = read_image(path)
        np.testing.assert_array_equal(decoded.pixels, np.asarray(photo))
        assert decoded.sha256 == hashlib.sha256(data).hexdigest()
    assert image_size(os.fsdecode(name)) == (HEIGHT, WIDTH)


def test_real_photographs_equal_pillows_decoding(test_data):
    paths = sorted((test_data / "photos").glob("*.jpg"))[:12]
    assert paths
    for path in paths:
        decoded = read_image(path)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        np.testing.assert_allclose(decoded.pixels.astype(int), expected, atol=1)
        assert image_size(path) == expected.shape[:2]
