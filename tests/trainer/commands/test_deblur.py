"""Tests ``trainer deblur``: the names, sizes and depths of the restored photographs, and the errors for bad input."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from encoded_images import photograph
from PIL import Image
from torch import nn

import trainer.commands.deblur
from blurkit.decode import read_image
from blurkit.errors import BlurkitError, UsageError
from trainer.evaluation.album import plan
from trainer.evaluation.images import Photograph, read_photograph, write_photograph


class Negative(nn.Module):
    multiple, least = 4, 8

    def forward(self, x):
        return -x


@pytest.fixture
def deblur(monkeypatch, capsys):
    """The command with a generator that turns light into dark; returns its exit code and its output."""
    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Negative(), {}))

    def call(inputs, out, tile=0, **changes):
        given = {"device": "cpu", "crf": 16, "overwrite": False, "as_json": False, "quiet": False, **changes}
        code = trainer.commands.deblur.deblur("runs/x", [str(text) for text in inputs], out, tile=tile, **given)
        return code, capsys.readouterr()

    return call


@pytest.fixture
def album(tmp_path):
    """A folder of photographs: JPEG with an Exif orientation, PNG of 16 bits with alpha, grey PNG, GIF."""
    folder = tmp_path / "album"
    (folder / "deep").mkdir(parents=True)
    picture = photograph()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif, quality=95)
    deep = np.random.default_rng(1).integers(0, 65536, (21, 34, 4), np.uint16)
    cv2.imwrite(str(folder / "deep/sixteen.png"), deep)
    picture.convert("L").save(folder / "grey.png")
    picture.convert("P").save(folder / "old.gif")
    (folder / "notes.txt").write_text("none of them")
    return folder


def test_a_folder_keeps_names_sizes_orientation_and_depth(album, tmp_path, deblur):
    code, output = deblur([album], tmp_path / "out")
    assert code == 0
    assert "4 photographs restored" in output.out
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert made == {"turned.jpg", "deep/sixteen.png", "grey.png", "old.png"}
    for name in ("grey.png", "deep/sixteen.png"):
        before, after = (read_photograph(root / name) for root in (album, tmp_path / "out"))
        np.testing.assert_array_equal(after.pixels, np.iinfo(before.pixels.dtype).max - before.pixels)
        assert after.grey == (name == "grey.png")
    np.testing.assert_array_equal(after.alpha, before.alpha)
    width, height = photograph().size
    turned = read_image(tmp_path / "out/turned.jpg")
    assert turned.pixels.shape == (width, height, 3)
    assert turned.notes == ()
    difference = turned.pixels.astype(int) - (255 - read_image(album / "turned.jpg").pixels)
    assert np.sqrt(np.mean(difference**2)) < 6
    assert "dropped" not in output.err
    assert "to RGB" not in output.err.replace("palette to RGB", "")
    assert "notes.txt" in output.err


def test_bad_photographs_are_named_and_the_others_are_restored(album, tmp_path, deblur):
    (album / "broken.png").write_bytes((album / "grey.png").read_bytes()[:500])
    (album / "page.jpg").write_bytes(b"<html></html>")
    code, output = deblur([album], tmp_path / "out")
    assert code == 1
    assert "4 photographs restored, 2 could not be restored" in output.out
    for name in ("broken.png", "page.jpg"):
        assert f"{album / name} cannot be restored: " in output.err
        assert not (tmp_path / "out" / name).exists()


def test_out_of_memory_names_an_option_of_the_command(album, tmp_path, monkeypatch, deblur):
    class Hungry(Negative):
        def forward(self, x):
            return torch.empty(2**60)

    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Hungry(), {}))
    with pytest.raises(BlurkitError, match=r"out of memory; lower --tile"):
        deblur([album / "grey.png"], tmp_path / "x.png")


def test_the_output_names_the_tiles(album, tmp_path, deblur):
    code, output = deblur([album / "grey.png"], tmp_path / "new/one.webp", tile=256)
    assert code == 0
    assert "tiles of" not in output.err
    write_photograph(album / "wide.png", black(40, 700))
    code, output = deblur([album / "wide.png"], tmp_path / "wide.png", tile=256)
    assert "700x40, tiles of 256" in output.err
    assert (cv2.imread(str(tmp_path / "wide.png")) == 255).all()


def black(height, width):
    return Photograph(np.zeros((height, width, 3), np.uint8))


def names(album, out):
    return {str(source): str(target.relative_to(out)) for source, target in album.work.items()}


def test_files_folders_and_patterns_together(album, tmp_path):
    out = tmp_path / "out"
    other = tmp_path / "single.png"
    write_photograph(other, black(4, 4))
    assert names(plan([str(album / "**/*.png"), str(other)], out), out) == {
        str(album / "deep/sixteen.png"): "deep/sixteen.png",
        str(album / "grey.png"): "grey.png",
        str(other): "single.png",
    }
    assert len(plan([str(album), str(album / "grey.png")], out).work) == 4
    assert plan([str(other)], tmp_path / "x.tif").work == {other: tmp_path / "x.tif"}


def test_the_output_of_an_earlier_run_is_not_restored_again(album, deblur):
    assert deblur([album], album / "restored")[1].out.endswith("4 photographs restored\n")
    assert "0 photographs restored, 4 already there (--overwrite" in deblur([album], album / "restored")[1].out
    assert "4 already there" in deblur([album / "**" / "*.*g*"], album / "restored")[1].out


def test_files_that_are_there_are_kept_unless_they_may_be_overwritten(album, tmp_path, deblur):
    out = tmp_path / "out"
    out.mkdir()
    (out / "grey.png").write_bytes(b"somebody's")
    (out / "turned.jpg.0123456789abcdef.tmp").touch()  # of a run that was killed
    assert "3 photographs restored, 1 already there" in deblur([album], out)[1].out
    assert (out / "grey.png").read_bytes() == b"somebody's"
    first = (out / "turned.jpg").read_bytes()
    (out / "turned.jpg").unlink()
    assert "1 photograph restored, 3 already there" in deblur([album], out)[1].out
    assert (out / "turned.jpg").read_bytes() == first
    assert "4 photographs restored\n" in deblur([album], out, overwrite=True)[1].out
    assert read_photograph(out / "grey.png").grey


def test_json_lists_every_file(album, tmp_path, deblur):
    (album / "IMG.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    code, output = deblur([album], tmp_path / "out", as_json=True, quiet=True)
    assert code == 1
    assert (
        output.err == f"{album / 'IMG.HEIC'} cannot be restored: The file is HEIC, which is not supported; convert it to PNG.\n"
    )
    result = json.loads(output.out)
    assert {Path(made["target"]).name for made in result["restored"]} == {"turned.jpg", "sixteen.png", "grey.png", "old.png"}
    assert [(Path(one["source"]).name, one["reason"]) for one in result["failed"]] == [("IMG.HEIC", "unsupported")]
    assert result["passed_over"] == [str(album / "notes.txt")]
    code, output = deblur([album], tmp_path / "out", as_json=True, quiet=True)
    assert (code, len(json.loads(output.out)["skipped"])) == (1, 4)


def test_progress_through_the_tiles_of_a_large_photograph(album, tmp_path, deblur, monkeypatch):
    monkeypatch.setattr("trainer.commands.deblur._SECONDS_BETWEEN_LINES", 0)
    write_photograph(album / "wide.png", black(40, 700))
    output = deblur([album / "wide.png"], tmp_path / "wide.png", tile=256)[1].err
    assert [line for line in output.splitlines() if "tiles" in line and "of 4 tiles" in line] == [
        f"1 of 1: {number} of 4 tiles" for number in (1, 2, 3, 4)
    ]
    assert deblur([album / "wide.png"], tmp_path / "quiet.png", tile=256, quiet=True)[1].err == ""


def test_what_is_in_a_folder_is_decided_by_the_content(album, tmp_path, deblur):
    (album / "without").write_bytes((album / "turned.jpg").read_bytes())
    (album / "photo.JFIF").write_bytes((album / "turned.jpg").read_bytes())
    (album / "screen.heic").write_bytes((album / "grey.png").read_bytes())  # a PNG in spite of its name
    (album / "damaged.avif").write_bytes(b"no image at all")
    (album / "film.mp4").write_bytes(b"no image at all")
    (album / ".hidden").mkdir()
    (album / ".hidden" / "x.png").write_bytes((album / "grey.png").read_bytes())
    code, output = deblur([album], tmp_path / "out")
    assert code == 1
    assert "7 photographs restored, 1 could not be restored" in output.out
    assert "2 files passed over, which are no images: " in output.err
    made = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert made == {"turned.jpg", "sixteen.png", "grey.png", "old.png", "without.png", "photo.JFIF", "screen.png"}
    assert (tmp_path / "out" / "photo.JFIF").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("kind", ["cmyk.jpg", "pages.tif", "moving.gif", "moving.png", "tinted.png"])
def test_what_would_be_changed_silently_is_named_and_not_restored(tmp_path, deblur, kind):
    picture, path = photograph(), tmp_path / kind
    options = {"save_all": True, "append_images": [picture.rotate(180)]} if path.stem in ("pages", "moving") else {}
    if kind == "cmyk.jpg":
        picture = picture.convert("CMYK")
    if kind == "tinted.png":  # one value of grey is transparent
        picture, options = picture.convert("L"), {"transparency": 7}
    picture.save(path, **options)
    code, output = deblur([path], tmp_path / "out")
    assert code == 1
    assert f"{path} cannot be restored: The file " in output.err
    assert not (tmp_path / "out").exists()


def test_inputs_are_never_overwritten(album, tmp_path):
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album)], album)
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album / "grey.png")], album / "grey.png")
    (tmp_path / "link.png").symlink_to(album / "grey.png")
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album / "grey.png")], tmp_path / "link.png")
    write_photograph(album / "old.png", black(4, 4))
    with pytest.raises(UsageError, match=r"would both be written to .*old\.png"):
        plan([str(album)], tmp_path / "out")


def test_missing_inputs_are_refused(album, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photographs in"):
        plan([str(tmp_path / "empty")], tmp_path / "out")
    with pytest.raises(UsageError, match="no such file or folder"):
        plan([str(tmp_path / "gone.png")], tmp_path / "out")
    with pytest.raises(UsageError, match="cannot be written to one file"):
        plan([str(album)], tmp_path / "one.png")
