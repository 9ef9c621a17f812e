"""Tests sound and hostile archives: exactly their files are unpacked, and no other file changes."""

import contextlib
import os
import random
import stat
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from blurkit.errors import DiskFullError, LockedError, UsageError
from blurkit.program.files import locked
from blurkit.sources.archive import unpack as module
from blurkit.sources.archive.download import LOCK
from blurkit.sources.archive.unpack import TEMPORARY, ArchiveError, unpack

FILES = {
    "val/a.jpg": random.Random(1).randbytes(70_000),
    "val/deep/er/b.jpg": random.Random(2).randbytes(5),
    "val/empty.jpg": b"",
    "top.json": b'{"images": []}' * 100,
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def archive(tmp_path):
    """A typical archive: a folder entry, stored photographs and deflated text."""
    path = tmp_path / "sound.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("val/", b"")
        for name, content in FILES.items():
            zipped.writestr(name, content, zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED)
    return path


@pytest.fixture
def hostile(tmp_path):
    """A function that makes an archive of a sound member and further members, given as (ZipInfo or name, content)."""

    def make(*members, compression=zipfile.ZIP_STORED):
        path = tmp_path / "hostile.zip"
        with zipfile.ZipFile(path, "w", compression) as zipped:
            zipped.writestr("val/sound.jpg", random.Random(3).randbytes(1000))
            for member, content in members:
                zipped.writestr(member, content)
        return path

    return make


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != LOCK}


def nothing(*numbers):
    """A report function that does nothing."""


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


def member(name, *, mode=0, flags=0, host=3):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.external_attr, info.flag_bits, info.create_system = mode << 16, flags, host
    return info


@pytest.mark.parametrize(
    ("why", "name"),
    [
        *(("leads out of the folder", name) for name in ("/etc/passwd", "//x", "/", "..", "../x", "val/../../x", "val/..")),
        *(("leads out of the folder", name) for name in ("..\\x", "val\\x", "C:/x", "c:x", "C:")),
        *(("no proper name", name) for name in (".", "./x", "val//x", "val/./x", "x\n", "\x1b[2J")),
        *(("no proper name", name) for name in (f"val/{TEMPORARY}", f"{TEMPORARY}/x")),
        *(("longer than the file system takes", name) for name in ("n" * 256, "é" * 128, "d/" * 2500 + "x")),
        ("a folder with content", "val/d/"),
    ],
)
def test_names_that_lead_elsewhere_are_refused_before_anything_is_written(hostile, root, why, name):
    with pytest.raises(ArchiveError, match=f"{why}; nothing of the archive was unpacked"):
        unpack(hostile((member(name), b"evil")), root, report=nothing)
    assert contents(root) == {}
    assert sorted(os.listdir(root.parent)) == ["hostile.zip", "root"]


@pytest.mark.parametrize(("old", "new"), [(b"evil.jpg", b"ev\0l.jpg"), (b"evil.jpg", b"\0vil.jpg")])
def test_a_name_with_a_nul_is_refused(hostile, root, old, new):
    path = hostile(("evil.jpg", b"evil"))
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(ArchiveError, match="no proper name"):
        unpack(path, root, report=nothing)


def test_an_empty_name_is_refused(hostile, root):
    path = hostile(("e", b""))
    data = path.read_bytes()
    at = data.rindex(b"PK\1\2")
    shorter = data[at : at + 28] + struct.pack("<H", 0) + data[at + 30 : at + 46] + data[at + 47 :]
    end = shorter.index(b"PK\5\6")
    size = struct.unpack("<I", shorter[end + 12 : end + 16])[0] - 1
    path.write_bytes(data[:at] + shorter[: end + 12] + struct.pack("<I", size) + shorter[end + 16 :])
    with pytest.raises(ArchiveError):
        unpack(path, root, report=nothing)
    assert contents(root) == {}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_members_that_are_no_plain_files_are_refused(hostile, root, kind):
    for host in (3, 0):
        with pytest.raises(ArchiveError, match="neither a plain file nor a folder"):
            unpack(hostile((member("val/link", mode=kind | 0o777, host=host), b"/etc")), root, report=nothing)
    assert contents(root) == {}


def test_a_setuid_bit_is_not_taken_over(hostile, root):
    unpack(hostile((member("program", mode=stat.S_IFREG | 0o6777), b"#!")), root, report=nothing)
    assert stat.S_IMODE((root / "program").stat().st_mode) & 0o7111 == 0


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["val/sound.jpg"], "twice"),
        (["VAL/Sound.JPG"], "twice"),
        (["val/\u00e9", "val/e\u0301"], "twice"),
        (["val"], "a file and a folder"),
        (["a/b", "a"], "a file and a folder"),
        (["a", "A/b"], "a file and a folder"),
        (["a/", "a"], "a file and a folder"),
    ],
)
def test_names_that_meet_are_refused(hostile, root, names, why):
    with pytest.raises(ArchiveError, match=why):
        unpack(hostile(*((name, b"") for name in names)), root, report=nothing)
    assert contents(root) == {}


def test_encrypted_and_oddly_compressed_members_are_refused(hostile, root):
    path = hostile((member("secret"), b"x"))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        unpack(path, root, report=nothing)
    with pytest.raises(ArchiveError, match="method 14"):
        unpack(hostile(("packed", b"x" * 100), compression=zipfile.ZIP_LZMA), root, report=nothing)
    assert contents(root) == {}


def test_bombs_are_refused_from_their_declaration(hostile, root):
    path = hostile(("zeros", bytes(10_000_000)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match=r"declare 10\.0 MB of files"):
        unpack(path, root, report=nothing)
    assert contents(root) == {}


def test_a_bomb_of_members_that_share_their_bytes_is_refused(hostile, root):
    path = hostile(*((f"{number}", random.Random(4).randbytes(900)) for number in range(3)))
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\1\2")
    places = [at for at in range(first, len(data)) if data[at : at + 4] == b"PK\1\2"]
    for at in places:  # all members point at one large member
        data[at + 20 : at + 28] = struct.pack("<II", len(data) // 2, len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="nothing was unpacked"):
        unpack(path, root, report=nothing)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("field", ["crc", "size", "larger"])
def test_a_member_that_is_not_what_is_declared_gets_no_name(tmp_path, root, method, field):
    path, content = tmp_path / "a.zip", random.Random(5).randbytes(1000) * 3
    with zipfile.ZipFile(path, "w", method) as zipped:
        zipped.writestr("a.jpg", content)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    if field == "crc":
        data[at + 16] ^= 1
    else:
        wrong = len(content) + (7 if field == "larger" else -7)
        data[at + 24 : at + 28] = struct.pack("<I", wrong)
        crc = zlib.crc32(content[:wrong]) if field == "size" else zlib.crc32(content)
        data[at + 16 : at + 20] = struct.pack("<I", crc)
    path.write_bytes(data)
    if field == "size":  # no more bytes than declared are written
        unpack(path, root, report=nothing)
        assert contents(root) == {"a.jpg": content[:-7]}
        return
    with pytest.raises(ArchiveError, match=r"damaged at a\.jpg"):
        unpack(path, root, report=nothing)
    assert contents(root) == {}


def test_archives_cut_or_flipped_anywhere_raise_and_write_no_wrong_byte(archive, root, tmp_path):
    data, rng = archive.read_bytes(), random.Random(6)
    damaged = tmp_path / "damaged.zip"
    for number in range(300):
        wrong = bytearray(data)
        if number % 3 == 0:
            del wrong[rng.randrange(len(data)) :]
        else:  # half of them within the directory at the end
            wrong[rng.randrange(len(data) - 400 if number % 3 == 1 else 0, len(data))] ^= 1 << rng.randrange(8)
        damaged.write_bytes(wrong)
        place = root / str(number)
        place.mkdir()
        with contextlib.suppress(ArchiveError):
            unpack(damaged, place, report=nothing)
        assert set(contents(place).values()) <= set(FILES.values())


def test_no_zip_at_all(root, tmp_path):
    for content in (b"", b"PK", b"<html>", bytes(1000)):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(ArchiveError, match="no zip archive, or is damaged"):
            unpack(tmp_path / "a.zip", root, report=nothing)


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

    monkeypatch.setattr(module, "write_all", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        unpack(archive, root, report=nothing)
    assert caught.value.filename == str(root / "val/a.jpg")
    assert contents(root) == {}


def test_all_is_synced_before_it_counts_as_unpacked(archive, root, monkeypatch):
    synced = []
    monkeypatch.setattr(module.os, "sync", lambda: synced.append(contents(root)))
    unpack(archive, root, report=nothing)
    assert synced == [FILES]


def test_two_at_once_exclude_each_other(archive, root):
    with locked(root / LOCK), pytest.raises(LockedError):
        unpack(archive, root, report=nothing)


def test_unpacking_that_is_killed_goes_on(root, tmp_path):
    path = tmp_path / "many.zip"
    files = {f"val/{number:03}.jpg": random.Random(number).randbytes(2000) for number in range(200)}
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    program = (
        "import time; from pathlib import Path; from blurkit.sources.archive.unpack import unpack\n"
        f"unpack(Path({str(path)!r}), Path({str(root)!r}), report=lambda done, total: time.sleep(0.01))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    end = time.monotonic() + 20
    while not (root / "val/020.jpg").exists():
        assert time.monotonic() < end
        time.sleep(0.002)
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
    assert Path(root / "val").is_dir()


class _Stream:
    """A file that cannot seek."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush
