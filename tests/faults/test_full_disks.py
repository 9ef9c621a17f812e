"""Tests commands on disks that fill up: the error names the file, nothing is torn, and with more room the command finishes."""

import errno
import os
import shutil
import zipfile

import cv2
import numpy as np
import pytest
import torch
from clips import write_video
from command_line import run as blurkit
from exports import FORMATS, contents, export, one_sized, write_samples
from tiny_trainings import prepared, train
from torch import nn

import trainer.commands.deblur
from blurkit.errors import BadImageError, guard
from blurkit.sources.archive.unpack import unpack
from trainer.evaluation.clips import restore_clip
from trainer.evaluation.restore import Restorer
from trainer.training import checkpoint, loop

FULL = os.strerror(errno.ENOSPC)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("tiny"))


def weights(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("generator.*")}


@pytest.mark.slow
def test_a_training_on_a_full_disk_is_finished_when_there_is_room(place, disk, monkeypatch, capsys):
    """The disk has more room in each round, so that it is full at one file after the other."""
    monkeypatch.setattr(loop, "draw", lambda *_, **__: None)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)  # its thread hides errors
    assert train(place, place / "whole") == 0
    whole, named = weights(place / "whole"), set()
    for pages in (1, *range(8, 400, 12)):
        out = disk(pages * 4096) / "run"
        code = guard("trainer", lambda out=out: train(place, out))
        said = capsys.readouterr().err
        if code == 0:
            break
        assert code == 1, said
        assert FULL in said or " free and this needs " in said
        assert str(out) in said
        named |= {word.rstrip(":").rpartition("/")[2] for word in said.split() if word.startswith(str(out))}
        assert not list(out.rglob("*.tmp"))
        for path in checkpoint.list_checkpoints(out):
            checkpoint.load(path)
    assert code == 0
    assert weights(out) == whole
    assert len(named) > 2
    assert any(name.endswith(".ckpt") for name in named)


@pytest.mark.parametrize("to", FORMATS)
def test_an_export_on_a_full_disk_is_finished_when_there_is_room(to, disk, tmp_path, make_sample, monkeypatch):
    write_samples(tmp_path / "shards", *(one_sized(make_sample, 4, 4 * number) for number in range(3)))
    export(tmp_path, "--to", to, "--truth", "-o", "whole")
    out = disk(20 * 4096) / "out"
    assert " free and this needs about " in export(tmp_path, "--to", to, "--truth", "-o", out, code=1).stderr
    monkeypatch.setattr("blurkit.commands.export.require_space", lambda *_: None)
    for pages in (20, 60):
        disk(pages * 4096)
        said = export(tmp_path, "--to", to, "--truth", "-o", out, code=1).stderr
        assert f"{out}/.export-train/" in said
        assert "free some" in said
        assert not (out / "train.jsonl").exists()
    disk(8 << 20)
    export(tmp_path, "--to", to, "--truth", "-o", out)
    assert contents(out) == contents(tmp_path / "whole")


class Negative(nn.Module):
    multiple, least = 4, 8

    def forward(self, x):
        return -x


def test_a_restored_photograph_that_does_not_fit_is_named_and_not_torn(disk, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Negative(), {}))
    album, out = tmp_path / "album", disk(1 << 16) / "out"
    album.mkdir()
    for name, side in (("a.png", 64), ("b.png", 400)):
        noise = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
        cv2.imwrite(str(album / name), noise)
    options = {"crf": 16, "overwrite": False, "as_json": False, "quiet": True}
    restore = lambda: trainer.commands.deblur.deblur("x", [str(album)], out, tile=0, device="cpu", **options)  # noqa: E731
    assert guard("trainer", restore) == 1
    assert f"{out / 'b.png'}: {FULL}" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["a.png"]
    disk(1 << 22)
    assert guard("trainer", restore) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("program", ["ffmpeg", "opencv"])
def test_a_restored_video_that_does_not_fit_is_named_and_not_torn(disk, tmp_path, monkeypatch, program):
    if program == "opencv":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif shutil.which(program) is None:
        pytest.skip("the program ffmpeg is not installed")
    noise = np.random.default_rng(1).integers(0, 256, (30, 96, 128, 3), np.uint8)
    source, out = write_video(tmp_path / "a.avi", noise), disk(1 << 16)
    restore = Restorer(Negative(), torch.device("cpu"))
    with pytest.raises((BadImageError, OSError)) as caught:
        restore_clip(restore, source, out / "a.mp4", crf=1, quiet=True)
    assert "could not be written whole" in str(caught.value) or FULL in str(caught.value)
    assert list(out.iterdir()) == []
    disk(1 << 23)
    restore_clip(restore, source, out / "a.mp4", crf=1, quiet=True)
    assert [path.name for path in out.iterdir()] == ["a.mp4"]


COMMANDS = {
    "preview": ("preview", "-n", "2", "-o", "disk/preview.png"),
    "bank": ("kernels", "-n", "100", "-o", "disk/bank.npz"),
    "folder": ("kernels", "-n", "100", "-o", "disk/bank"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_or_a_bank_that_does_not_fit_leaves_nothing(disk, tmp_path, name):
    place = disk(1 << 14)
    said = blurkit(*COMMANDS[name], cwd=tmp_path, code=1).stderr
    assert FULL in said
    assert COMMANDS[name][-1] in said
    assert list(place.iterdir()) == []
    disk(1 << 23)
    blurkit(*COMMANDS[name], cwd=tmp_path)
    assert [path.name for path in place.iterdir()] == [COMMANDS[name][-1].rpartition("/")[2]]


def test_an_archive_that_does_not_fit_is_finished_when_there_is_room(disk, tmp_path, monkeypatch, capsys):
    archive, content = tmp_path / "a.zip", np.random.default_rng(1).bytes(40_000)
    with zipfile.ZipFile(archive, "w") as zipped:
        for number in range(4):
            zipped.writestr(f"val/{number}.jpg", content)
    monkeypatch.setattr("blurkit.sources.archive.unpack.require_space", lambda *_: None)  # others fill the disk meanwhile
    root = disk(100_000)
    assert guard("blurkit", lambda: unpack(archive, root, report=lambda *_: None)) == 1
    assert f"{root / 'val/2.jpg'}: {FULL}" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (root / "val").iterdir()} == {"0.jpg": content, "1.jpg": content}
    disk(1 << 20)
    assert unpack(archive, root, report=lambda *_: None) == 4
    assert {path.read_bytes() for path in (root / "val").iterdir()} == {content}
