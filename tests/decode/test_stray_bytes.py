"""Tests JPEG files with bytes that belong to no segment: they are read where no pixel is lost, and it is said."""

import re

import numpy as np
import pytest
from encoded_images import encode
from PIL import Image

from blurkit.decode import decode_image, image_size
from blurkit.errors import BadImageError

STRAY = [b"\0", b"\x14\x7f", b"junk" * 700, b"\xff\0\xff\0\x11", b"\x11\xff\xd3\x11", b"\x11\xff\xff\xff"]


def starts(data):
    """The positions of the segments before the first scan, and of those between scans."""
    return [match.start() for match in re.finditer(rb"\xff[\xc0\xc2\xc4\xda\xdb\xdd\xe0-\xef]", data)]


def insert(data, position, stray):
    return data[:position] + stray + data[position:]


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"quality": 30, "subsampling": 2}])
def test_bytes_before_any_segment_change_no_pixel_and_are_said(photo, capfd, stray, options):
    data = encode(photo, "JPEG", **options)
    expected = decode_image(data)
    assert expected.notes == ()
    places = [place for place in starts(data) if place <= data.index(b"\xff\xda")]
    assert len(places) >= 5
    for place in places:
        decoded = decode_image(insert(data, place, stray))
        np.testing.assert_array_equal(decoded.pixels, expected.pixels)
        (note,) = decoded.notes
        assert re.fullmatch(r"\d+ stray bytes before JPEG segments ignored", note)
        assert image_size(insert(data, place, stray)) == expected.pixels.shape[:2]
    assert capfd.readouterr() == ("", "")


def test_stray_bytes_before_the_tables_of_a_later_scan(photo):
    data = encode(photo, "JPEG", progressive=True)
    expected = decode_image(data).pixels
    first = data.index(b"\xff\xda")
    tables = [place for place in starts(data) if place > first and data[place + 1] == 0xC4]
    for place in tables:  # in the entropy-coded data before them nothing can be skipped
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        decoded = decode_image(insert(data, place + 2 + length, b"\x14\x14"))
        np.testing.assert_array_equal(decoded.pixels, expected)
    assert tables


def test_stray_bytes_hide_no_damage(photo):
    data = encode(photo, "JPEG")
    cut = data[: len(data) * 3 // 4] + b"\xff\xd9"
    place = data.index(b"\xff\xdb")
    with pytest.raises(BadImageError, match="premature end of data segment") as caught:
        decode_image(insert(cut, place, b"\x14\x14"))
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize("count", [9, 300, 4000])
def test_zeros_after_the_pixels_are_padding_and_other_bytes_are_not(photo, count):
    data = encode(photo, "JPEG")
    padded = decode_image(data[:-2] + bytes(count) + data[-2:])
    np.testing.assert_array_equal(padded.pixels, decode_image(data).pixels)
    assert len(padded.notes) == 1
    assert "padding after the JPEG scan ignored" in padded.notes[0]
    with pytest.raises(BadImageError, match="extraneous bytes"):  # this is how a flipped bit shows
        decode_image(data[:-2] + b"\x5a" * count + data[-2:])
    with pytest.raises(BadImageError, match="premature end"):
        decode_image(data[: len(data) * 3 // 4] + b"\xff\xd9" + bytes(count))


def test_what_other_programs_append_or_leave_out_is_no_damage(photo):
    data = encode(photo, "JPEG")
    expected = decode_image(data).pixels
    mark = data.index(b"\xff\xe0")
    length = 2 + int.from_bytes(data[mark + 2 : mark + 4], "big")
    movie = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 50
    for changed in (
        data[:mark] + data[mark + length :],
        data + movie,
        data + encode(photo.rotate(90), "JPEG"),
        data + bytes(999),
    ):
        decoded = decode_image(changed)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.notes == ()


def test_restarts_that_libjpeg_can_only_guess_are_refused(photo):
    data = encode(photo, "JPEG", restart_marker_rows=1)
    first = data.index(b"\xff\xd0")
    for changed in (data[: first + 1] + b"\xd3" + data[first + 2 :], data[:first] + data[first + 2 :]):
        with pytest.raises(BadImageError) as caught:
            decode_image(changed)
        assert caught.value.reason == "corrupt"


def test_a_photograph_that_two_libraries_read_in_spite_of_its_stray_bytes(test_data):
    path = test_data / "reports" / "jpeg" / "junk_before_dqt.jpg"
    decoded = decode_image(path.read_bytes())
    np.testing.assert_allclose(decoded.pixels.astype(int), np.asarray(Image.open(path).convert("RGB")), atol=1)
    assert decoded.notes == ("2 stray bytes before JPEG segments ignored",)
