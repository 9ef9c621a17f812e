"""Tests unpacking sound archives: all files are unpacked, other files are kept, and an interrupted run continues."""

import os
import random
import stat
import subprocess
import sys
import zipfile

import pytest
from archives import FILES, contents, nothing, packed
from waiting import wait_until

from blurkit.errors import DiskFullError, LockedError, UsageError
from blurkit.program.locks import locked
from blurkit.sources.archive.download import LOCK
from blurkit.sources.archive.unpack import TEMPORARY, unpack


def test_what_is_unpacked_is_what_was_packed(archive, root):
    told = []
    assert unpack(archive, root, report=lambda done, total: told.append((done, total))) == len(FILES)
    assert contents(root) == FILES
    total = sum(map(len, FILES.values()))
    assert told[-1] == (total, total)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((root / "top.json").stat().st_mode) == 0o666 & ~mask


def test_it_agrees_with_zipfile_itself(archive, root, tmp_path):
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(tmp_path / "other")
    unpack(archive, root, report=nothing)
    assert contents(root) == contents(tmp_path / "other")


def test_files_that_are_there_and_the_same_are_kept(archive, root):
    unpack(archive, root, report=nothing)
    before = {name: (root / name).stat().st_ino for name in FILES}
    (root / "val/a.jpg").unlink()
    (root / "top.json").write_bytes(b"")  # a power cut leaves an empty file
    (root / "val/mine.jpg").write_bytes(b"mine")
    unpack(archive, root, report=nothing)
    assert contents(root) == {**FILES, "val/mine.jpg": b"mine"}
    assert (root / "val/deep/er/b.jpg").stat().st_ino == before["val/deep/er/b.jpg"]
    assert (root / "val/empty.jpg").stat().st_ino == before["val/empty.jpg"]


@pytest.mark.parametrize("content", [b"mine", b"x" * 70_000])
def test_a_file_of_somebody_stays(archive, root, content):
    (root / "val").mkdir()
    (root / "val/a.jpg").write_bytes(content)
    with pytest.raises(UsageError, match=r"val/a\.jpg is there and differs"):
        unpack(archive, root, report=nothing)
    assert (root / "val/a.jpg").read_bytes() == content


def test_something_else_in_the_place_of_a_file_stays(archive, root, tmp_path):
    (tmp_path / "outside").write_bytes(FILES["top.json"])
    (root / "val").mkdir()
    for make in (
        lambda: (root / "top.json").symlink_to(tmp_path / "outside"),
        lambda: os.mkfifo(root / "top.json"),
        lambda: (root / "top.json").symlink_to("nowhere"),
    ):
        make()
        with pytest.raises(UsageError, match=r"top\.json is there and differs"):
            unpack(archive, root, report=nothing)
        (root / "top.json").unlink()
    (root / "top.json").mkdir()
    with pytest.raises(UsageError, match="differs"):
        unpack(archive, root, report=nothing)
    assert (tmp_path / "outside").read_bytes() == FILES["top.json"]


@pytest.mark.parametrize("inside", [".", "val/deep"])
def test_folders_that_are_links_are_not_followed(archive, root, tmp_path, inside):
    (tmp_path / "outside").mkdir()
    link = root / "val" if inside == "." else root / inside / "er"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="is a symbolic link"):
        unpack(archive, root, report=nothing)
    assert list((tmp_path / "outside").iterdir()) == []
    assert contents(root) == {}


def test_a_link_that_comes_meanwhile_is_not_followed_either(archive, root, tmp_path):
    (tmp_path / "outside").mkdir()

    def swap(done, total):
        if done and (root / "val").is_dir() and not (root / "val").is_symlink():
            (root / "val").rename(root / "was")
            (root / "val").symlink_to(tmp_path / "outside")

    with pytest.raises(UsageError, match="is a symbolic link"):
        unpack(archive, root, report=swap)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_in_the_place_of_a_folder(archive, root):
    (root / "val").write_bytes(b"mine")
    with pytest.raises(UsageError, match="val is no folder"):
        unpack(archive, root, report=nothing)


def test_a_root_that_is_a_link_is_the_users_choice(archive, root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    unpack(archive, tmp_path / "link", report=nothing)
    assert contents(root) == FILES


def test_room_is_needed_beforehand_for_what_is_missing_alone(archive, root, monkeypatch):
    usage = type("usage", (), {"free": 60_000})
    monkeypatch.setattr("blurkit.program.files.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DiskFullError, match="make room for what is unpacked"):
        unpack(archive, root, report=nothing)
    assert contents(root) == {}
    (root / "val").mkdir()
    (root / "val/a.jpg").write_bytes(FILES["val/a.jpg"])
    unpack(archive, root, report=nothing)


def test_a_disk_that_fills_up_leaves_no_half_file(archive, root, monkeypatch):
    def fail(descriptor, data):
        os.write(descriptor, data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blurkit.sources.archive.unpack.write_all", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        unpack(archive, root, report=nothing)
    assert caught.value.filename == str(root / "val/a.jpg")
    assert contents(root) == {}


def test_all_is_synced_before_it_counts_as_unpacked(archive, root, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(contents(root)))
    unpack(archive, root, report=nothing)
    assert synced == [FILES]


def test_two_at_once_exclude_each_other(archive, root):
    with locked(root / LOCK), pytest.raises(LockedError):
        unpack(archive, root, report=nothing)


def test_unpacking_that_is_killed_goes_on(root, tmp_path):
    path = tmp_path / "many.zip"
    files = {f"val/{number:03}.jpg": random.Random(number).randbytes(2000) for number in range(200)}
    path.write_bytes(packed(files))
    program = (
        "import time; from pathlib import Path; from blurkit.sources.archive.unpack import unpack\n"
        f"unpack(Path({str(path)!r}), Path({str(root)!r}), report=lambda done, total: time.sleep(0.01))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    wait_until((root / "val/020.jpg").exists)
    process.kill()
    process.wait()
    made = contents(root)
    made.pop(f"val/{TEMPORARY}", None)
    assert 20 < len(made) < 200
    assert made.items() <= files.items()
    (root / "val" / TEMPORARY).write_bytes(b"half of a file")
    before = {name: (root / name).stat().st_ino for name in made}
    unpack(path, root, report=nothing)
    assert contents(root) == files
    assert {name: (root / name).stat().st_ino for name in made} == before


def test_real_archives_of_other_programs(root, tmp_path):
    """Archives like those of `zip -r` and of Python on a stream: folders with a mode, sizes after the data."""
    source = tmp_path / "source"
    (source / "val").mkdir(parents=True)
    (source / "val/a.jpg").write_bytes(FILES["val/a.jpg"])
    path = tmp_path / "a.zip"
    with open(path, "wb") as file, zipfile.ZipFile(_Stream(file), "w") as zipped:
        zipped.write(source / "val", "val")
        zipped.write(source / "val/a.jpg", "val/a.jpg")
    assert unpack(path, root, report=nothing) == 1
    assert contents(root) == {"val/a.jpg": FILES["val/a.jpg"]}
    assert (root / "val").is_dir()


class _Stream:
    """A file that cannot seek."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush
