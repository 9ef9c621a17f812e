"""Tests ``trainer deblur``: the names, sizes and depths of the restored photographs, and the errors for bad input."""

import cv2
import numpy as np
import pytest
import torch
from encoded_images import chunk, encode_tiff, photograph, png_of
from PIL import Image, ImageOps
from torch import nn

import trainer.commands.deblur
from blurkit.decode import read_image
from blurkit.errors import BadImageError, BlurkitError, UsageError
from trainer.commands.deblur import plan
from trainer.evaluation.images import read_photograph, walk, write_photograph


class Negative(nn.Module):
    multiple, least = 4, 8

    def forward(self, x):
        return -x


@pytest.fixture
def deblur(monkeypatch, capsys):
    """The command with a generator that turns light into dark; returns its exit code and its output."""
    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Negative(), {}))

    def call(inputs, out, tile=0, **options):
        code = trainer.commands.deblur.deblur("runs/x", [str(text) for text in inputs], out, tile=tile, device="cpu", **options)
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
        before, after = (read_photograph(root / name)[0] for root in (album, tmp_path / "out"))
        np.testing.assert_array_equal(after, np.iinfo(before.dtype).max - before)
    width, height = photograph().size
    turned = read_image(tmp_path / "out/turned.jpg")
    assert turned.pixels.shape == (width, height, 3)
    assert turned.notes == ()
    difference = turned.pixels.astype(int) - (255 - read_image(album / "turned.jpg").pixels)
    assert np.sqrt(np.mean(difference**2)) < 6
    assert "alpha dropped" in output.err
    assert "grey to RGB" in output.err


def test_sixteen_bits_are_read_as_they_are(tmp_path, rng):
    deep = rng.integers(0, 65536, (9, 14, 3), np.uint16)
    for suffix in (".png", ".tif"):
        cv2.imwrite(str(tmp_path / f"x{suffix}"), deep)
        pixels, notes = read_photograph(tmp_path / f"x{suffix}")
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, deep[..., ::-1])
        assert notes == ()
        assert write_photograph(tmp_path / f"y{suffix}", pixels) == ()
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"y{suffix}"), cv2.IMREAD_UNCHANGED), deep)
    assert write_photograph(tmp_path / "y.bmp", pixels) == ("16 bits rounded to 8",)
    np.testing.assert_array_equal(read_image(tmp_path / "y.bmp").pixels, np.rint(deep[..., ::-1] / 257))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_turned_as_pillow_turns_eight(tmp_path, rng, orientation):
    few = rng.integers(0, 256, (5, 9, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    few_turned = Image.fromarray(few)
    few_turned.getexif()[0x0112] = orientation
    deep = few.astype(np.uint16) * 257
    (tmp_path / "x.png").write_bytes(png_of(deep, chunk(b"eXIf", exif.tobytes()[6:])))
    (tmp_path / "x.tif").write_bytes(encode_tiff(deep, extratags=[(274, 3, 1, orientation, True)]))
    expected = np.asarray(ImageOps.exif_transpose(few_turned)).astype(np.uint16) * 257
    for name in ("x.png", "x.tif"):
        pixels, _ = read_photograph(tmp_path / name)
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, expected)


def test_formats_without_loss_come_back_exactly(tmp_path, rng):
    pixels = rng.integers(0, 256, (11, 7, 3), np.uint8)
    for suffix in (".png", ".tif", ".tiff", ".bmp", ".webp"):
        assert write_photograph(tmp_path / f"x{suffix}", pixels) == ()
        np.testing.assert_array_equal(read_photograph(tmp_path / f"x{suffix}")[0], pixels)
    with pytest.raises(UsageError, match=r"cannot write \.gif; use one of"):
        write_photograph(tmp_path / "x.gif", pixels)
    with pytest.raises(BadImageError):
        read_photograph(tmp_path / "missing.png")


def test_bad_photographs_are_named_and_the_others_are_restored(album, tmp_path, deblur):
    (album / "broken.png").write_bytes((album / "grey.png").read_bytes()[:500])
    (album / "page.jpg").write_bytes(b"<html></html>")
    code, output = deblur([album], tmp_path / "out")
    assert code == 1
    assert "4 photographs restored, 2 could not be read" in output.out
    for name in ("broken.png", "page.jpg"):
        assert f"{album / name} cannot be restored: " in output.err
        assert not (tmp_path / "out" / name).exists()


def test_out_of_memory_names_an_option_of_the_command(album, tmp_path, monkeypatch):
    class Hungry(Negative):
        def forward(self, x):
            return torch.empty(2**60)

    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Hungry(), {}))
    with pytest.raises(BlurkitError, match=r"out of memory; lower --tile"):
        trainer.commands.deblur.deblur("runs/x", [str(album / "grey.png")], tmp_path / "x.png", tile=0, device="cpu")


def test_the_output_names_the_tiles(album, tmp_path, deblur):
    code, output = deblur([album / "grey.png"], tmp_path / "new/one.webp", tile=256)
    assert code == 0
    assert "tiles of" not in output.err
    write_photograph(album / "wide.png", np.zeros((40, 700, 3), np.uint8))
    code, output = deblur([album / "wide.png"], tmp_path / "wide.png", tile=256)
    assert "700x40, tiles of 256" in output.err
    assert (cv2.imread(str(tmp_path / "wide.png")) == 255).all()


def names(work, out):
    return {str(source): str(target.relative_to(out)) for source, target in work.items()}


def test_files_folders_and_patterns_together(album, tmp_path):
    out = tmp_path / "out"
    other = tmp_path / "single.png"
    write_photograph(other, np.zeros((4, 4, 3), np.uint8))
    assert names(plan([str(album / "**/*.png"), str(other)], out), out) == {
        str(album / "deep/sixteen.png"): "deep/sixteen.png",
        str(album / "grey.png"): "grey.png",
        str(other): "single.png",
    }
    assert len(plan([str(album), str(album / "grey.png")], out)) == 4
    assert plan([str(other)], tmp_path / "x.tif") == {other: tmp_path / "x.tif"}


def test_the_output_of_an_earlier_run_is_not_restored_again(album, deblur):
    for _ in range(2):
        assert deblur([album], album / "restored")[1].out.endswith("4 photographs restored\n")
    assert "4 photographs" in deblur([album / "**" / "*.*g*"], album / "restored")[1].out
    assert len(walk(album)) == 8


def test_inputs_are_never_overwritten(album, tmp_path):
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album)], album)
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album / "grey.png")], album / "grey.png")
    (tmp_path / "link.png").symlink_to(album / "grey.png")
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(album / "grey.png")], tmp_path / "link.png")
    write_photograph(album / "old.png", np.zeros((4, 4, 3), np.uint8))
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


def test_files_of_somebody_else_are_kept_and_named_before_anything_is_restored(album, tmp_path, deblur):
    (tmp_path / "out").mkdir()
    Image.open(album / "grey.png").save(tmp_path / "out/grey.png")
    before = (tmp_path / "out/grey.png").read_bytes()
    with pytest.raises(UsageError, match=r"out/grey\.png was not written by blurkit.*--overwrite"):
        deblur([album], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["grey.png"]
    assert (tmp_path / "out/grey.png").read_bytes() == before
    assert deblur([album], tmp_path / "out", overwrite=True)[0] == 0
    assert (tmp_path / "out/grey.png").read_bytes() != before
    assert deblur([album], tmp_path / "out")[0] == 0, "what is restored may be restored again"
