"""Tests how pictures of videos are turned and mirrored, against the matrix itself, and which curves of light are refused."""

import struct

import numpy as np
import pytest
from clips import FRAMES, in_order, write_numbers
from movie_boxes import box, with_box, with_matrix

from blurkit.decode.container import Presentation, read_presentation
from blurkit.decode.sequence import Colours, colours_of
from blurkit.decode.video import open_video_file
from blurkit.errors import BadImageError


def presentation(path, demuxer="mov"):
    with open(path, "rb") as file:
        return read_presentation(file.fileno(), demuxer)


def shown(pixels, a, b, c, d):
    """The picture when each place (x, y) is shown at (ax + cy, bx + dy), moved to the positive quadrant."""
    y, x = np.indices(pixels.shape[:2])
    right, down = a * x + c * y, b * x + d * y
    right, down = right - right.min(), down - down.min()
    result = np.zeros((down.max() + 1, right.max() + 1, 3), np.uint8)
    result[down, right] = pixels
    return result


MATRICES = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("kind", [b"tkhd", b"mvhd"])
def test_all_turns_and_mirrors_of_the_matrix(videos, tmp_path, matrix, kind):
    path = tmp_path / "turned.mp4"
    path.write_bytes(with_matrix(videos["mp4"].read_bytes(), kind, matrix))
    clip, stored = open_video_file(str(path)), in_order(videos["mp4"])[11]
    decoded, expected = clip.read(11), shown(stored, *matrix)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert clip.shape == expected.shape[:2]
    assert len(decoded.notes) == (matrix != (1, 0, 0, 1))


def test_the_matrix_of_the_track_comes_before_that_of_the_movie(videos, tmp_path):
    path, track, movie = tmp_path / "turned.mp4", (0, 1, -1, 0), (-1, 0, 0, 1)
    path.write_bytes(with_matrix(with_matrix(videos["mp4"].read_bytes(), b"tkhd", track), b"mvhd", movie))
    expected = shown(shown(in_order(videos["mp4"])[11], *track), *movie)
    np.testing.assert_array_equal(open_video_file(str(path)).read(11).pixels, expected)


@pytest.mark.parametrize(("transfer", "words"), [(18, "HLG"), (16, "PQ"), (8, "linear light"), (9, "logarithm"), (17, "428")])
@pytest.mark.parametrize("kind", [b"nclx", b"nclc"])
def test_curves_that_no_response_describes_are_refused_by_name(videos, tmp_path, transfer, words, kind):
    path = tmp_path / "curve.mp4"
    colour = kind + struct.pack(">HHH", 9, transfer, 9) + b"\0" * (kind == b"nclx")
    path.write_bytes(with_box(videos["mp4"].read_bytes(), box(b"colr", colour)))
    assert presentation(path).colours == {Colours(9, transfer, 9)}
    with pytest.raises(BadImageError, match=words) as caught:
        open_video_file(str(path))
    assert caught.value.reason == "unsupported"


@pytest.mark.parametrize("colours", [(1, 1, 1), (2, 2, 2), (1, 13, 0), (6, 6, 6), (9, 14, 9), (2, 2, 6)])
def test_usual_curves_are_read(videos, tmp_path, colours):
    path = tmp_path / "curve.mp4"
    path.write_bytes(with_box(videos["mp4"].read_bytes(), box(b"colr", b"nclx" + struct.pack(">HHHB", *colours, 0))))
    clip = open_video_file(str(path))
    assert (len(clip), clip.read(3).notes) == (FRAMES, ())
    np.testing.assert_array_equal(clip.read(3).pixels, in_order(path)[3])


def element(number, content):
    """An element of EBML with a size of eight bytes."""
    width = (number.bit_length() + 7) // 8
    return number.to_bytes(width, "big") + (1 << 56 | len(content)).to_bytes(8, "big") + content


@pytest.mark.parametrize("unknown", [False, True])
def test_matroska_names_its_curve(tmp_path, unknown):
    colour = element(0x55B0, element(0x55B1, b"\x09") + element(0x55BA, b"\x12") + element(0x55BB, b"\x09"))
    entry = element(0xAE, element(0x86, b"V_VP9") + element(0xE0, element(0xB0, b"\x60") + colour))
    segment = element(0x18538067, element(0xEC, bytes(50)) + element(0x1654AE6B, entry))
    if unknown:  # a live recording does not know its length
        segment = segment[:4] + b"\x01" + b"\xff" * 7 + segment[12:]
    path = tmp_path / "curve.mkv"
    path.write_bytes(element(0x1A45DFA3, b"") + segment)
    assert presentation(path, "matroska").colours == {Colours(9, 18, 9)}


def bits(*parts):
    """Bytes of (value, width) pairs; a width of 0 means an Exp-Golomb code."""
    text = "".join(f"{v:0{w}b}" if w else "0" * ((v + 1).bit_length() - 1) + f"{v + 1:b}" for v, w in parts)
    return int((text + "1").ljust((len(text) // 8 + 1) * 8, "0"), 2).to_bytes(len(text) // 8 + 1, "big")


def h264_set(transfer):
    start = [(0x67, 8), (77, 8), (0, 8), (30, 8), (0, 0), (0, 0), (2, 0), (1, 0), (0, 1), (5, 0), (3, 0), (1, 1), (1, 1), (0, 1)]
    return bits(*start, (1, 1), (0, 1), (0, 1), (1, 1), (5, 3), (0, 1), (1, 1), (9, 8), (transfer, 8), (9, 8))


def test_the_curve_in_a_parameter_set_counts_where_the_container_is_silent(videos, tmp_path):
    assert colours_of("h264", h264_set(18)) == Colours(9, 18, 9)
    record = b"\1\x4d\0\x1e\xff\xe1" + struct.pack(">H", len(h264_set(16))) + h264_set(16) + b"\1\0\4\x68\1\2\3"
    path = tmp_path / "curve.mp4"
    path.write_bytes(with_box(videos["mp4"].read_bytes(), box(b"avcC", record)))
    assert presentation(path).colours == {Colours(9, 16, 9)}
    path.write_bytes(b"\x47" * 4 + b"\0\0\1" + h264_set(18) + bytes(300))
    assert presentation(path, "mpegts").colours == {Colours(9, 18, 9)}
    assert [colours_of(codec, h264_set(18)[:length]) for codec in ("h264", "hevc") for length in range(9)] == [None] * 18


def test_files_made_to_be_walked_through_for_ever(tmp_path):
    path = tmp_path / "long.mp4"
    for data in (
        b"\0\0\0\x08free" * 100_000,
        box(b"moov", box(b"trak", b"\0\0\0\x08free" * 50_000)),
        b"\0\0\0\1moov" + b"\xff" * 99,
    ):
        path.write_bytes(data)
        assert presentation(path) == Presentation()
    path.write_bytes(element(0x18538067, element(0xEC, b"") * 100_000))
    assert presentation(path, "matroska") == Presentation()


CONTAINERS = {
    **{"3gp": "mp4v", "3g2": "mp4v", "m4v": "mp4v", "ts": "MPG2", "mts": "MPG1", "mpg": "MPEG", "vob": "MPG2", "wmv": "WMV2"},
    **{"asf": "mp4v", "flv": "FLV1", "ogv": "VP80"},
}


#: Files without a mark of their end: the last four frames may be cut.
ENDLESS = "ts", "mts", "mpg", "vob", "wmv", "asf", "flv"


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_other_containers_are_read_frame_by_frame(tmp_path, suffix):
    path = write_numbers(tmp_path / f"clip.{suffix}", 12, CONTAINERS[suffix])
    truth, clip = in_order(path), open_video_file(str(path))
    assert (len(clip), clip.damage) == (8 if suffix in ENDLESS else 12, "")
    for number in (0, 7, 5):
        np.testing.assert_array_equal(clip.read(number).pixels, truth[number])
    data = path.read_bytes()
    for length in np.linspace(len(data) // 9, len(data), 12).astype(int):
        path.write_bytes(data[:length])
        try:
            cut = open_video_file(str(path))
        except BadImageError as error:
            assert error.reason == "corrupt"  # noqa: PT017
            continue
        for number in range(len(cut)):
            np.testing.assert_array_equal(cut.read(number).pixels, truth[number])


@pytest.mark.parametrize(("name", "matrix"), [("vflip.mp4", (1, 0, 0, -1)), ("mjpeg_app.avi", (1, 0, 0, 1))])
def test_videos_from_phones_and_cameras(test_data, name, matrix):
    path = test_data / "reports" / "video" / name
    stored, clip = in_order(path), open_video_file(str(path))
    assert (len(clip), clip.damage) == (len(stored), "")
    for number in (0, 7, len(stored) - 1):
        np.testing.assert_array_equal(clip.read(number).pixels, shown(stored[number], *matrix))


def test_a_phones_hlg_without_a_named_curve_is_refused(test_data):
    with pytest.raises(BadImageError, match=r"BT\.2020 and names no transfer curve, so it may be HLG or PQ") as caught:
        open_video_file(str(test_data / "reports" / "video" / "hlg.mov"))
    assert caught.value.reason == "unsupported"
