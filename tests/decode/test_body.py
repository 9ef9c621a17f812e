"""Tests damaged image files: missing or broken data are refused, harmless oddities are not."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from encoded_images import HEIGHT, WIDTH, chunk, encode, encode_tiff, png, png_of

from blurkit.decode import decode_image
from blurkit.decode.jpeg import MAX_SCANS
from blurkit.errors import BadImageError


def refusal(data: bytes, **options) -> BadImageError:
    with pytest.raises(BadImageError) as caught:
        decode_image(data, **options)
    return caught.value


@pytest.mark.parametrize(("mode", "options"), [("RGB", {}), ("RGB", {"progressive": True}), ("CMYK", {})])
def test_every_truncated_jpeg_is_refused(photo, capfd, mode, options):
    data = encode(photo.convert(mode), "JPEG", **options)
    decode_image(data)
    for cut in np.unique(np.linspace(0, len(data) - 1, 150).astype(int)):
        assert refusal(data[:cut]).reason in ("truncated", "empty", "not_an_image"), cut
    assert decode_image(data + b"\xff\xd8 rubbish after the end").pixels.shape == (HEIGHT, WIDTH, 3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "options"), [
    ("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 80}), ("TIFF", {}), ("GIF", {}),
])  # fmt: skip
def test_other_formats_cut_short_are_refused(photo, kind, options):
    data = encode(photo.quantize(64) if kind == "GIF" else photo, kind, **options)
    for cut in np.linspace(1, len(data) - 1, 60).astype(int):
        assert refusal(data[:cut]).reason in ("truncated", "not_an_image", "corrupt"), cut


def test_a_jpeg_cut_and_closed_again_is_refused_in_libjpegs_words(photo, capfd):
    data = encode(photo, "JPEG")
    error = refusal(data[: len(data) * 3 // 4] + b"\xff\xd9")
    assert error.reason == "corrupt"
    assert "Corrupt JPEG data: premature end of data segment" in str(error)
    assert capfd.readouterr() == ("", "")


def test_flipped_bytes_of_jpeg_are_refused_whenever_libjpeg_warns(photo, rng, capfd):
    data = encode(photo, "JPEG", quality=90)
    start = data.index(b"\xff\xda") + 14
    refused = 0
    for position in rng.integers(start, len(data) - 2, 150):
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        expected = cv2.imdecode(np.frombuffer(flipped, np.uint8), cv2.IMREAD_COLOR_RGB)
        if expected is None or capfd.readouterr().err:
            assert refusal(bytes(flipped)).reason in ("corrupt", "truncated")
            refused += 1
        else:
            np.testing.assert_array_equal(decode_image(bytes(flipped)).pixels, expected)
        assert capfd.readouterr() == ("", "")
    assert refused > 15


def test_every_flipped_bit_of_png_is_refused(photo, rng):
    data = encode(photo, "PNG")
    for position in [*range(40), *rng.integers(0, len(data), 260)]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        assert refusal(bytes(flipped)).reason in ("corrupt", "truncated", "not_an_image", "too_large")


def test_a_wrong_checksum_is_refused_even_in_text(photo):
    data = png_of(np.asarray(photo), chunk(b"tEXt", b"Comment\0sharp"))
    decode_image(data)
    assert "checksum" in str(refusal(data.replace(b"sharp", b"shark")))


def with_harmless_faults(data: bytes) -> dict[str, bytes]:
    """A JPEG with faults that change no pixel."""
    jfif = data.index(b"JFIF\0") + 5
    band = data.index(b"\xff\xda") + 5 + 2 * 3
    profile = b"\xff\xe2" + struct.pack(">H", 21) + b"ICC_PROFILE\0\5\2hello"
    return {
        "JFIF version": data[:jfif] + b"\2" + data[jfif + 1 :],
        "band of the scan": data[:band] + b"\1\x3e\0" + data[band + 3 :],
        "profile": data[:2] + profile + data[2:],
        "fill bytes": data[:2] + b"\xff\xff" + data[2:],
    }


@pytest.mark.parametrize("fault", ["JFIF version", "band of the scan", "profile", "fill bytes"])
def test_harmless_faults_neither_refuse_nor_hide_worse_ones(photo, capfd, fault):
    data = encode(photo, "JPEG")
    harmless = with_harmless_faults(data)[fault]
    np.testing.assert_array_equal(decode_image(harmless).pixels, decode_image(data).pixels)
    worse = with_harmless_faults(data[: len(data) * 3 // 4] + b"\xff\xd9")[fault]
    assert refusal(worse).reason == "corrupt"
    assert capfd.readouterr() == ("", "")


def test_an_unknown_adobe_transform_is_harmless(photo):
    data = encode(photo.convert("CMYK"), "JPEG")
    at = data.index(b"Adobe") + 11
    np.testing.assert_array_equal(decode_image(data[:at] + b"\7" + data[at + 1 :]).pixels,
                                  decode_image(data[:at] + b"\2" + data[at + 1 :]).pixels)  # fmt: skip


def test_harmless_oddities_of_png_and_tiff(photo, capfd):
    array = np.asarray(photo)
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    odd = [
        png(HEIGHT, WIDTH, 8, 2, rows + b"more than the image needs"),
        png_of(array, chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"iCCP", b"x\0\0rubbish") + chunk(b"tRNS", b"\0")),
        encode_tiff(array, extratags=[(65000, "s", 0, "unknown", True), (37680, "B", 4, b"abcd", True)]),
    ]
    for data in odd:
        np.testing.assert_array_equal(decode_image(data).pixels, array)
    assert capfd.readouterr() == ("", "")


def test_png_and_tiff_whose_data_do_not_fill_the_image(photo, capfd):
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(photo)[: HEIGHT // 2])
    assert "Not enough image data" in str(refusal(png(HEIGHT, WIDTH, 8, 2, rows)))
    data = bytearray(encode(photo, "TIFF", compression="tiff_adobe_deflate"))
    data[8:10] = bytes(2)  # the header of the first strip's stream; Pillow writes it at the start of the file
    assert "ZIPDecode" in str(refusal(bytes(data)))
    assert capfd.readouterr() == ("", "")


def test_hostile_text_chunks_are_never_inflated(tmp_path, photo):
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7 << 20))) * 60
    path = tmp_path / "text.png"
    path.write_bytes(png_of(np.asarray(photo), bomb))
    code = (
        "import resource, sys\nfrom blurkit.decode import read_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nread_image(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50 * 1024


def test_a_jpeg_of_too_many_scans_is_refused(photo):
    data = encode(photo, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert refusal(data[:last] + data[last:-2] * MAX_SCANS + data[-2:]).reason == "unsupported"


def test_frames_that_do_not_cover_the_canvas_are_refused(photo):
    gif = bytearray(encode(photo.quantize(64), "GIF"))
    gif[6:8] = struct.pack("<H", WIDTH + 1)
    assert refusal(bytes(gif)).reason == "unsupported"
    webp = bytearray(encode(photo, "WEBP", save_all=True, append_images=[photo.rotate(90)]))
    frame = webp.index(b"ANMF") + 8
    webp[frame] = 1  # half of the horizontal offset
    assert refusal(bytes(webp)).reason == "unsupported"


def test_png_whose_pixels_are_interrupted_by_text_is_mended(photo):
    array = np.asarray(photo)
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in array))
    pieces = chunk(b"IDAT", stream[:1000]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", stream[1000:])
    whole = png_of(array)
    data = whole[: whole.index(b"IDAT") - 4] + pieces + whole[-12:]
    np.testing.assert_array_equal(decode_image(data).pixels, array)


def test_strips_that_do_not_fit_the_image_are_refused(photo):
    array = np.asarray(photo)
    data = encode_tiff(array, rowsperstrip=10)

    tags = tifffile.TiffFile(io.BytesIO(data)).pages[0].tags

    def with_rows(rows: int) -> bytes:
        at = tags["RowsPerStrip"].valueoffset
        return data[:at] + struct.pack("<I", rows) + data[at + 4 :]

    np.testing.assert_array_equal(decode_image(with_rows(10)).pixels, array)
    assert refusal(with_rows(9)).reason == "truncated"
    assert refusal(with_rows(11)).reason == "corrupt"
    assert refusal(with_rows(20)).reason == "corrupt"
    at = tags["StripOffsets"].valueoffset
    assert refusal(data[:at] + b"\xff" * 4 + data[at + 4 :]).reason == "truncated"
