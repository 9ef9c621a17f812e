"""Tests that files made to be walked through for ever are refused, or read, after few reads and in little memory."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from encoded_images import HEIGHT, WIDTH, chunk, encode, encode_tiff, png_of
from peak_memory import refusal
from PIL import Image

from blurkit.decode.header import read_header
from blurkit.errors import BadImageError


class Endless:
    """A file of 3 GB: a start, and then a pattern again and again. Counts the reads and their bytes."""

    def __init__(self, start: bytes, pattern: bytes) -> None:
        self.start, self.pattern, self.reads, self.bytes = start, pattern, 0, 0

    def __len__(self) -> int:
        return 3 << 30

    def __getitem__(self, key: slice) -> bytes:
        first, stop, _ = key.indices(len(self))
        self.reads, self.bytes = self.reads + 1, self.bytes + max(stop - first, 0)
        assert self.bytes < 16 << 20, "the file is read as a whole"
        begun = self.start[first:stop]
        at = max(first - len(self.start), 0) % len(self.pattern)
        length = max(stop - first - len(begun), 0)
        return begun + (self.pattern * (length // len(self.pattern) + 2))[at : at + length]


def ifd(*entries: tuple[int, int, int, int]) -> bytes:
    """A TIFF file of one directory that points to itself as the next."""
    return (
        b"II*\0"
        + struct.pack("<IH", 8, len(entries))
        + b"".join(struct.pack("<HHII", *e) for e in entries)
        + struct.pack("<I", 8)
    )


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
WEBP = b"RIFF\xff\xff\xff\xbfWEBPVP8X" + struct.pack("<IB3xHBHB", 10, 8, 8, 0, 8, 0)
SIZE = [(256, 4, 1, 9), (257, 4, 1, 9), (258, 3, 1, 8), (262, 3, 1, 1)]
ENDLESS = {
    "sparse PNG": (PNG, b"\0"),
    "PNG of empty text": (PNG, chunk(b"teXt", b"")),
    "PNG of empty pixels": (PNG, chunk(b"IDAT", b"")),
    "PNG of text": (PNG, chunk(b"zTXt", bytes(3000))),
    "PNG of Exif": (PNG, chunk(b"eXIf", b"II*\0")),
    "PNG with one Exif of 2 GB": (PNG + b"\x7f\0\0\0eXIf" + ifd(*SIZE), b"\0"),
    "JPEG of fill bytes": (b"\xff\xd8", b"\xff"),
    "sparse JPEG": (b"\xff\xd8", b"\0"),
    "JPEG of stuffed bytes": (b"\xff\xd8", b"\xff\0"),
    "JPEG of restarts": (b"\xff\xd8", b"\xff\xd3"),
    "JPEG of empty comments": (b"\xff\xd8", b"\xff\xfe\0\2"),
    "JPEG of empty comments and fill bytes": (b"\xff\xd8", b"\xff\xfe\0\2" + b"\xff" * 99),
    "JPEG of segments without a length": (b"\xff\xd8", b"\xff\xe0\0\0"),
    "JPEG of Exif": (b"\xff\xd8", b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)),
    "WebP of empty chunks": (WEBP, b"junk\0\0\0\0"),
    "sparse WebP": (WEBP, b"\0"),
    "WebP with one Exif of 2 GB": (WEBP + b"EXIF\0\0\0\x80", b"II*\0"),
    "TIFF of many tags": (b"II*\0\x08\0\0\0\0\x10", struct.pack("<HHII", 270, 2, 1 << 31, 0)),
    "TIFF that goes in a circle": (ifd(*SIZE, (34665, 4, 1, 8), (330, 4, 1, 8)), b"\0"),
    "TIFF of many depths": (ifd((256, 4, 1, 9), (257, 4, 1, 9), (258, 3, 1 << 31, 8), (262, 3, 1, 1)), b"\0"),
    "BigTIFF beyond the end": (b"II+\0\x08\0\0\0" + b"\xff" * 8, b"\0"),
    "GIF of extensions": (b"GIF89a\x09\0\x09\0\0\0\0", b"!\xfe\0"),
    "sparse BMP": (b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 9, 9, 1, 24, 0), b"\0"),
    "AVIF": (b"\0\0\0\x1cftypavif", b"\0"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\0"),
    "PPM": (b"P6 ", b"#\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_headers_end_after_few_reads(name):
    source = Endless(*ENDLESS[name])
    try:
        read_header(source)
    except BadImageError as error:
        assert error.reason in ("corrupt", "unsupported", "truncated")  # noqa: PT017
    assert source.reads < 25_000
    assert source.bytes < 8 << 20


def long_files(photo):
    """Files of 8 to 15 MB that cost much more than their bytes if they are decoded without care. One is sound."""
    jpeg, gif = encode(photo, "JPEG"), encode(photo.quantize(8), "GIF")
    rows = np.asarray(photo)
    image, end = png_of(rows)[:33], png_of(rows)[33:]
    bitmap = bytearray(encode_tiff(np.zeros((8, 8), np.uint8), photometric="minisblack", rowsperstrip=8))
    for tag, value in ((257, 1 << 20), (278, 1)):
        at = bitmap.index(struct.pack("<H", tag), 8)
        bitmap[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return {
        "sound": png_of(rows, chunk(b"tEXt", b"a\0" + b"b" * (8 << 20))),
        "PNG": image + chunk(b"teXt", b"") * 700_000 + end,
        "JPEG": jpeg[:2] + b"\xff\xfe\0\2" * 2_000_000 + jpeg[2:],
        "JPEG scans": jpeg[:-2] + b"\xff\xfe\0\2" * 2_000_000 + jpeg[-2:],
        "GIF": gif[:-1] + b"!\xfe\1x" * 2 + b"\1x" * 4_000_000 + b"\0;",
        "GIF extensions": gif[:-1] + b"!\xfe\0" * 3_000_000 + b";",
        "WebP": b"RIFF" + struct.pack("<I", 4 + 18 + 8_000_000) + WEBP[8:] + b"junk\0\0\0\0" * 1_000_000,
        "TIFF": bytes(bitmap),
    }


def test_long_files_are_decided_in_little_memory(tmp_path, photo):
    for name, data in long_files(photo).items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom blurkit.decode import read_image\n"
        "from blurkit.errors import BadImageError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: result = read_image(path).pixels.shape\n"
        "    except BadImageError as error: result = error.reason\n"
        "    print(path.name, result, peak() - before, sep='|')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=60)
    results = {name: (result, int(peak)) for name, result, peak in (line.split("|") for line in done.stdout.splitlines())}
    assert results["sound"][0] == str((HEIGHT, WIDTH, 3))
    assert {result for name, (result, _) in results.items() if name != "sound"} <= {
        "corrupt",
        "unsupported",
        "truncated",
        "too_large",
    }
    assert max(peak for _, peak in results.values()) < 50, results


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [64, 1500])
def test_a_small_jpeg_under_the_header_of_a_large_one_is_refused_in_little_memory(tmp_path, rng, progressive, side):
    data = bytearray(encode(Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)), "JPEG", progressive=progressive))
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 10_900, 10_900)
    (tmp_path / "large.jpg").write_bytes(data)
    reason, megabytes = refusal(tmp_path / "large.jpg")
    assert reason in ("corrupt", "truncated")
    assert megabytes < 50
