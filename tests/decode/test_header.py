"""Tests image headers against Pillow's, and refuses files that are no images or claim too many pixels."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from encoded_images import HEIGHT, WIDTH, chunk, encode, encode_tiff, png
from PIL import Image

from blurkit.decode import decode_image, image_size, read_image
from blurkit.decode.header import Header, read_header
from blurkit.errors import BadImageError


class Counted:
    """Bytes that count the bytes that are read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read = data, 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: slice) -> bytes:
        part = self.data[key]
        self.read += len(part)
        return part


@pytest.mark.parametrize(("mode", "kind", "expected"), [
    ("RGB", "JPEG", {}), ("L", "JPEG", {"colour": "grey"}), ("CMYK", "JPEG", {"colour": "CMYK"}),
    ("RGB", "PNG", {}), ("RGBA", "PNG", {"alpha": "alpha"}), ("LA", "PNG", {"colour": "grey", "alpha": "alpha"}),
    ("P", "PNG", {"colour": "palette"}), ("1", "PNG", {"colour": "grey", "depth": 1}),
    ("I;16", "PNG", {"colour": "grey", "depth": 16}),
    ("RGB", "TIFF", {}), ("RGBA", "TIFF", {"alpha": "alpha"}), ("I;16", "TIFF", {"colour": "grey", "depth": 16}),
    ("RGB", "BMP", {}), ("P", "BMP", {"colour": "palette"}), ("P", "GIF", {"colour": "palette"}), ("RGB", "WebP", {}),
    ("RGBA", "WebP", {"alpha": "alpha"}),
])  # fmt: skip
def test_headers_are_read_without_the_pixels(photo, mode, kind, expected):
    image = Image.fromarray(np.full((HEIGHT, WIDTH), 777, np.uint16)) if mode == "I;16" else photo.convert(mode)
    if "A" in mode:
        image.putalpha(photo.convert("L"))
    source = Counted(encode(image.resize((5 * WIDTH, 5 * HEIGHT), Image.Resampling.NEAREST), kind))
    assert read_header(source) == Header(kind, 5 * HEIGHT, 5 * WIDTH, **expected)
    assert source.read < 2000


def exif_block(order: str, kind: int, count: int, value: bytes) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHI", 8, 1, 274, kind, count) + value + bytes(4)


@pytest.mark.parametrize(("block", "orientation"), [
    (exif_block("<", 3, 1, b"\6\0\0\0"), 6),
    (exif_block(">", 3, 1, b"\0\6\0\0"), 6),
    (exif_block(">", 4, 1, b"\0\0\0\6"), 6),
    (exif_block("<", 3, 1, b"\11\0\0\0"), 1),
    (exif_block("<", 2, 1, b"\6\0\0\0"), 1),
    (exif_block("<", 3, 2**31, b"\6\0\0\0"), 1),
    (exif_block("<", 3, 1, b"\6\0\0\0")[:12], 1),
    (b"II*\0\xff\xff\xff\x7f", 1),
    (b"rubbish", 1),
    (b"", 1),
])  # fmt: skip
def test_exif_blocks_whole_and_broken(photo, block, orientation):
    data = encode(photo, "PNG")
    for at in (33, len(data) - 12):  # before and after the pixels: both are allowed
        assert read_header(data[:at] + chunk(b"eXIf", block) + data[at:]).orientation == orientation
    jpeg = encode(photo, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    for at in (2, jpeg.index(b"\xff\xda")):  # before and after the frame header
        assert read_header(jpeg[:at] + segment + jpeg[at:]).orientation == orientation
    assert image_size(jpeg[:2] + segment + jpeg[2:]) == ((WIDTH, HEIGHT) if orientation == 6 else (HEIGHT, WIDTH))


@pytest.mark.parametrize(("data", "reason", "words"), [
    (b"", "empty", "empty"),
    (bytes(4096), "not_an_image", "zero bytes"),
    (b"\xef\xbb\xbf <!DOCTYPE html><title>404</title>", "not_an_image", "HTML"),
    (b"<?xml version='1.0'?><svg/>", "not_an_image", "XML"),
    (b"plain text " * 30, "not_an_image", "no known"),
    (b"\0\5\x16\7" + bytes(60), "not_an_image", "AppleDouble"),
    (b"RIFF\0\0\0\0WAVEfmt ", "not_an_image", "RIFF"),
    (b"BMW is a make of car and no bitmap at all", "not_an_image", "BMP"),
    (b"\0\0\0\x1cftypavif", "unsupported", "AVIF"),
    (b"\0\0\0\x1cftypheic", "unsupported", "HEIC"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported", "JPEG 2000"),
    (b"\xff\x0a\xfa\x1f", "unsupported", "JPEG XL"),
    (b"8BPS\0\1", "unsupported", "Photoshop"),
    (b"\xff\xd8", "truncated", "ends at byte 2"),
    (b"\xff\xd8\xff\xd9", "corrupt", "no image data"),
    (b"\x89PNG\r\n\x1a\n", "truncated", "ends at byte 8"),
])  # fmt: skip
def test_what_is_no_image_is_refused_by_name(data, reason, words):
    with pytest.raises(BadImageError, match=words) as caught:
        read_header(data)
    assert caught.value.reason == reason


def test_sizes_of_zero_are_refused(photo):
    jpeg = encode(photo, "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    files = [jpeg[:frame] + bytes(2) + jpeg[frame + 2 :], png(0, 5, 8, 2, b""), png(5, 0, 8, 2, b"")]
    for data in files:
        with pytest.raises(BadImageError, match="claims") as caught:
            image_size(data)
        assert caught.value.reason == "corrupt"


@pytest.mark.parametrize(("array", "options"), [
    (np.ones((9, 9, 3), np.float32), {}),
    (np.ones((9, 9, 3), np.float16), {}),
    (np.ones((9, 9, 3), np.int16), {}),
    (np.ones((9, 9, 3), np.int8), {}),
    (np.ones((9, 9, 3), np.uint32), {}),
    (np.ones((32, 32, 3), np.uint8), {"tile": (16, 16)}),
    (np.ones((9, 9), np.uint16), {"photometric": "miniswhite"}),
    (np.ones((3, 9, 9), np.uint16), {"planarconfig": "separate"}),
    (np.ones((9, 9, 4), np.uint16), {"photometric": "separated"}),
    (np.ones((9, 9, 2), np.uint16), {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
    (np.ones((9, 9, 5), np.uint8), {"extrasamples": ["unspecified"] * 2}),
    (np.ones((9, 9, 3), np.uint8), {"subfiletype": 1}),
])  # fmt: skip
def test_tiff_that_opencv_would_read_wrongly_is_refused(array, options):
    with pytest.raises(BadImageError) as caught:
        read_header(encode_tiff(array, **options))
    assert caught.value.reason == "unsupported"


def test_bmp_that_opencv_would_read_wrongly_is_refused(photo):
    data = encode(photo.convert("RGBA"), "BMP")
    assert read_header(data).format == "BMP"
    for depth, compression in ((16, 0), (16, 3), (8, 1), (4, 2), (32, 3)):
        header = data[:28] + struct.pack("<HI", depth, compression) + data[34:54]
        with pytest.raises(BadImageError) as caught:
            read_header(header + struct.pack("<III", 255, 255 << 8, 255 << 16) + data[66:])
        assert caught.value.reason == "unsupported"


def bombs() -> dict[str, bytes]:
    jpeg = bytearray(encode(Image.new("RGB", (8, 8)), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    gif = bytearray(encode(Image.new("P", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    bmp = bytearray(encode(Image.new("RGB", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 2**30, -(2**31))
    tiff = encode_tiff(np.zeros((8, 8, 3), np.uint8), rowsperstrip=8)
    for tag in (256, 257):
        at = tiff.index(struct.pack("<H", tag), 8)
        tiff = tiff[: at + 2] + struct.pack("<HII", 4, 1, 2**32 - 1) + tiff[at + 12 :]
    webp = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6 + b"VP8L" + struct.pack("<I", 5) + b"\x2f" + b"\xff" * 5
    return {
        "JPEG": bytes(jpeg), "GIF": bytes(gif), "BMP": bytes(bmp), "TIFF": tiff,
        "WebP": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "PNG header": png(65000, 65000, 8, 2, b"\0"),
        "PNG true": png(11000, 11000, 1, 0, bytes(1376) * 11000),
        "PNG long": png(1, (1 << 20) + 1, 1, 0, bytes(131074)),
    }  # fmt: skip


def test_bombs_are_refused_at_once_and_without_memory(tmp_path):
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import resource, sys\nfrom pathlib import Path\nimport cv2\nfrom blurkit.decode import read_image\n"
        "from blurkit.errors import BadImageError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n"
        "cv2.imdecode = None\n"  # a call would raise: the header is enough
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: reason = read_image(path).notes\n"
        "    except BadImageError as error: reason = error.reason\n"
        "    print(path.name, reason, peak() - before, sep='|')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    results = [line.split("|") for line in done.stdout.splitlines()]
    assert len(results) == len(bombs())
    for name, reason, megabytes in results:
        assert reason == "too_large", name
        assert int(megabytes) < 50, name


def test_the_limit_of_pixels_is_the_callers(photo):
    data = encode(photo, "PNG")
    assert decode_image(data, max_pixels=HEIGHT * WIDTH).pixels.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(BadImageError, match="limit") as caught:
        decode_image(data, max_pixels=HEIGHT * WIDTH - 1)
    assert caught.value.reason == "too_large"


def test_a_file_far_larger_than_its_image_is_not_read(tmp_path, photo):
    path = tmp_path / "padded.jpg"
    path.write_bytes(encode(photo, "JPEG"))
    os.truncate(path, 1 << 40)  # a sparse file: reading it would exhaust the memory
    with pytest.raises(BadImageError) as caught:
        read_image(path)
    assert caught.value.reason == "too_large"
    assert image_size(path) == (HEIGHT, WIDTH)


def focal_block(order="<", value=28, kind=3, pointer=26, tag=41989):
    """Exif whose first directory points to a second one, with the focal length on 35 mm film."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(order + "IHHHII", 8, 1, 34665, 4, 1, pointer) + bytes(4)
    number = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
    return mark + first + struct.pack(order + "HHHI", 1, tag, kind, 1) + number + bytes(4)


@pytest.mark.parametrize(("block", "focal"), [
    (focal_block(), 28),
    (focal_block(">", 400), 400),
    (focal_block(kind=4), 28),
    (focal_block(value=0), 0),
    (focal_block(value=3), 0),
    (focal_block(value=5001), 0),
    (focal_block(kind=7), 0),
    (focal_block(pointer=8), 0),
    (focal_block(pointer=2**31), 0),
    (focal_block(tag=37386), 0),
    (focal_block()[:30], 0),
    (exif_block("<", 3, 1, b"\6\0\0\0"), 0),
    (b"", 0),
])  # fmt: skip
def test_focal_lengths_of_exif_whole_and_broken(photo, block, focal):
    data = encode(photo, "PNG")
    data = data[:33] + chunk(b"eXIf", block) + data[33:]
    assert decode_image(data).focal_35mm == read_header(data).focal_35mm == focal
    jpeg = encode(photo, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    assert read_header(jpeg[:2] + segment + jpeg[2:]).focal_35mm == focal


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_focal_lengths_that_pillow_wrote(photo, kind):
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(34665)[41989] = 35
    header = read_header(encode(photo, kind, exif=exif))
    assert (header.focal_35mm, header.orientation) == (35, 6)
