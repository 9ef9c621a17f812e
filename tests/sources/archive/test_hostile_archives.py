"""Tests that hostile and damaged archives are refused before any of their files is written."""

import contextlib
import os
import random
import stat
import struct
import zipfile
import zlib

import pytest
from archives import FILES, contents, nothing

from blurkit.sources.archive.unpack import TEMPORARY, ArchiveError, unpack


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
    for at in places:  # all of them point at a large one
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
    if field == "size":  # no byte beyond the declared ones is written
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
        else:  # every other time within the directory at the end
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
