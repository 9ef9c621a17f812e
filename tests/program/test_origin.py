"""Tests the mark of pictures, read by another library, and which files may be replaced."""

import io
import os

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from blurkit.errors import UsageError
from blurkit.program.origin import OPENING, is_replaceable, made_here, marked, require_free, require_replaceable
from blurkit.report.page import Page


def encoded(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_mark_is_read_by_another_library_and_changes_no_pixel(kind):
    plain = encoded(kind)
    with Image.open(io.BytesIO(marked(plain))) as picture, Image.open(io.BytesIO(plain)) as before:
        assert np.array_equal(np.asarray(picture), np.asarray(before))
        assert picture.text == {"Software": "blurkit"} if kind == "PNG" else picture.info["comment"] == b"blurkit"
    assert made_here(marked(plain))
    assert not made_here(plain)


def test_a_jpeg_without_a_jfif_header_is_marked_too():
    plain = encoded("JPEG")
    bare = plain[:2] + plain[4 + int.from_bytes(plain[4:6], "big") :]
    assert made_here(marked(bare))
    assert Image.open(io.BytesIO(marked(bare))).info["comment"] == b"blurkit"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_marks_of_other_programs_are_not_ours(kind):
    words = PngImagePlugin.PngInfo()
    for text in ("Matplotlib version 3.9, https://matplotlib.org/", "blurkitten", "not blurkit"):
        words.add_text("Software", text)
        assert not made_here(encoded("PNG", pnginfo=words) if kind == "PNG" else encoded("JPEG", comment=text))
    assert made_here(encoded("JPEG", comment="blurkit-stamp 0 0"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_cut_and_hostile_pictures_come_to_an_end(kind):
    picture = marked(encoded(kind))
    for length in range(120):
        assert made_here(picture[:length]) in (False, True)
    assert not made_here(picture[:8] + bytes(4) * 10_000)
    assert not made_here(b"\xff\xd8\xff\xe0\x00\x00" * 10_000)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pages_carry_the_mark_and_are_equal_whenever_they_are_drawn(tmp_path, suffix):
    for name in ("one", "two"):
        Page(64, 48).save(tmp_path / f"{name}{suffix}")
    one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert made_here(one)
    assert made_here(tmp_path / f"one{suffix}")
    assert b"atplotlib" not in one


def test_what_holds_nothing_of_anybody_is_replaceable(tmp_path):
    path = tmp_path / "a"
    assert is_replaceable(path, lambda _: False)
    for content, expected in ((b"", True), (bytes(300), True), (b"mine", False), (bytes(OPENING) + b"mine", False)):
        path.write_bytes(content)
        assert is_replaceable(path, lambda _: False) is expected
    assert is_replaceable(path, lambda opening: len(opening) == OPENING)


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_links_folders_and_pipes_are_never_replaceable(tmp_path, kind):
    path = tmp_path / "a"
    (tmp_path / "outside").write_bytes(b"")
    {
        "link": lambda: path.symlink_to("outside"),
        "dangling": lambda: path.symlink_to("nowhere"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    assert not is_replaceable(path, lambda _: True)
    with pytest.raises(UsageError, match=str(path)):
        require_free({path: made_here}, overwrite=False)


def test_the_refusal_names_the_files(tmp_path):
    paths = [tmp_path / str(number) for number in range(7)]
    for path in paths:
        path.write_text("mine")
    with pytest.raises(UsageError, match=r"/0, .*/4 and 2 more were not written by blurkit.*; move them"):
        require_replaceable(dict.fromkeys(paths, made_here), "move {them}")
    require_free(dict.fromkeys(paths, made_here), overwrite=True)
    assert {path.read_text() for path in paths} == {"mine"}
