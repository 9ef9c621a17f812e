"""Zip archives, unpacked without trust: nothing outside of the root, nothing that is no plain file, nothing half written.

Every member is checked before the first is written. A file appears under its name when its bytes agree with the size and the
CRC-32 that the archive declares; one that is there already and agrees is kept, so that a run that was cut goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.files import locked, require_space, write_all
from blurkit.program.progress import data_size
from blurkit.sources.archive.download import LOCK

#: What a file is called while it is written, in its folder. One name suffices under the lock, and a killed run leaves one file.
TEMPORARY = ".unpack.tmp"

#: An archive may unpack to this many times its size. Photographs do not shrink, and COCO's JSON files do so by a factor of 3.
LARGEST_RATIO = 20

_CHUNK = 1 << 20
_ENCRYPTED = 0x1 | 0x40
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


class ArchiveError(BlurkitError):
    """An archive that is damaged, or that asks for what no data set needs."""


def unpack(archive: Path, root: Path, *, report: Callable[[int, int], None]) -> int:
    """Unpack a zip archive into ``root``; returns the number of files that it holds.

    ``report`` is called with the bytes that are unpacked so far, and those that will be. Files that are there and empty are
    replaced, since that is what a power cut leaves; any other that differs stays, and ends it.

    Raises :class:`ArchiveError`, :class:`blurkit.errors.UsageError` where something else lies in the way,
    :class:`blurkit.errors.LockedError`, :class:`blurkit.errors.DiskFullError`.
    """
    with locked(root / LOCK), _opened(archive) as zipped:
        files = check_members(zipped.infolist(), archive, root)
        for folder in {PurePosixPath(member.filename).parent for member in files}:
            _refuse_links(root, folder.parts)
        _require_space(root, files)
        done, total = 0, sum(member.file_size for member in files)
        for member in files:
            _place(zipped, member, archive, root)
            done += member.file_size
            report(done, total)
        os.sync()  # once for all files, before anybody deletes the archive; what a power cut takes before is unpacked again
    return len(files)


def check_members(members: Sequence[zipfile.ZipInfo], archive: Path, root: Path) -> list[zipfile.ZipInfo]:
    """The members that are files, each of them safe to write below ``root``. Raises :class:`ArchiveError`."""
    longest = os.pathconf(root, "PC_NAME_MAX"), os.pathconf(root, "PC_PATH_MAX") - len(os.fsencode(root.absolute())) - 2
    taken: set[str] = set()
    for member in members:
        why = _why_not(member, longest) or ("its name comes twice" if _key(member.filename) in taken else "")
        if why:
            raise ArchiveError(f"{archive}: {member.orig_filename!r}: {why}; nothing of the archive was unpacked")
        taken.add(_key(member.filename))
    files = [member for member in members if not member.is_dir()]
    folders = {str(above) for name in taken for above in PurePosixPath(f"{name}x").parents}  # "a/x" is in "a", "ax" is not
    for member in files:
        if _key(member.filename) in folders:
            raise ArchiveError(f"{archive}: {member.filename!r} is a file and a folder; nothing of the archive was unpacked")
    unpacked, packed = sum(member.file_size for member in files), sum(member.compress_size for member in files)
    size = archive.stat().st_size
    if not all(0 <= member.header_offset < size for member in members):
        raise ArchiveError(f"{archive} is damaged: a member is said to begin outside of it; nothing of it was unpacked")
    if packed > size or unpacked > LARGEST_RATIO * size:
        raise ArchiveError(f"{archive}: {data_size(size)} declare {data_size(unpacked)} of files; nothing of it was unpacked")
    return files


def _key(name: str) -> str:
    """Equal for names that are one file to a file system that ignores case or the form of accents."""
    return unicodedata.normalize("NFC", name).casefold()


def _why_not(member: zipfile.ZipInfo, longest: tuple[int, int]) -> str:
    """Why a member is not written, or an empty text."""
    name = member.orig_filename  # `filename` ends before a NUL
    parts = name.removesuffix("/").split("/")
    kind = stat.S_IFMT(member.external_attr >> 16)
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        return "a name that this system cannot write"
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        return "a name that leads out of the folder"
    if not all(parts) or "." in parts or TEMPORARY in parts or any(ord(character) < 32 for character in name):
        return "no proper name"
    if max(map(len, encoded.split(b"/"))) > longest[0] or len(encoded) > longest[1]:
        return "a name longer than the file system takes"
    if kind not in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG):
        return "neither a plain file nor a folder"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"compressed by method {member.compress_type}, which is neither `stored` nor `deflate`"
    if member.is_dir() and member.file_size:
        return "a folder with content"
    return ""


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        zipped = zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise ArchiveError(f"{archive} is no zip archive, or is damaged: {error}; delete it and run the same command") from error
    with zipped:
        yield zipped


def _require_space(root: Path, files: Sequence[zipfile.ZipInfo]) -> None:
    needed, block = 0, os.statvfs(root).f_frsize
    for member in files:
        with contextlib.suppress(OSError):
            if os.lstat(root / member.filename).st_size == member.file_size:
                continue
        needed += -(-member.file_size // block) * block
    require_space(root, needed, "make room for what is unpacked, and run again")


def _place(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, archive: Path, root: Path) -> None:
    """Make one file, unless it is there and the same."""
    *parents, name = member.filename.split("/")
    with _folder(root, parents) as folder:
        if _is_there(folder, name, member, root):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(TEMPORARY, dir_fd=folder)
        try:
            _write(zipped, member, folder)
            os.rename(TEMPORARY, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(TEMPORARY, dir_fd=folder)
            if isinstance(error, OSError):
                error.filename = str(root / member.filename)  # the name that the user knows
            if isinstance(error, _DAMAGED):
                raise ArchiveError(f"{archive} is damaged at {member.filename}: {error}; delete it and run again") from error
            raise


def _write(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: int) -> None:
    size, flags = 0, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(TEMPORARY, flags, 0o666, dir_fd=folder), "wb") as file, zipped.open(member) as source:
        while data := source.read(_CHUNK):
            size += len(data)
            write_all(file.fileno(), data)  # no more than is declared; the CRC-32 is compared with the last of it
    if size != member.file_size:
        raise zipfile.BadZipFile(f"it holds {size:,} bytes and declares {member.file_size:,}")


def _is_there(folder: int, name: str, member: zipfile.ZipInfo, root: Path) -> bool:
    """Whether a file is there that is the member; raises :class:`UsageError` where it is another, and of somebody's."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISREG(found.st_mode) and found.st_size == member.file_size:
        crc = 0
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
            while data := file.read(_CHUNK):
                crc = zlib.crc32(data, crc)
        if crc == member.CRC:
            return True
    elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
        return False
    raise UsageError(
        f"{root / member.filename} is there and differs from the archive's; it is left as it is: move it or its folder away, "
        "or choose another --root, then run the same command again"
    )


@contextlib.contextmanager
def _folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of a folder below ``root``, made where it is missing. No link is followed, even one that comes meanwhile."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(root, flags)
    try:
        for number, part in enumerate(parts, 1):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            try:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    _refuse_links(root, parts[:number])
                raise
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_links(root: Path, parts: Sequence[str]) -> None:
    """Raise :class:`UsageError` where a folder below ``root`` is something else, such as a link out of it."""
    path = root
    for part in parts:
        path /= part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a symbolic link; nothing is written through it" if path.is_symlink() else "no folder"
            raise UsageError(f"{path} is {what}: move it away, or choose another --root, then run the same command again")
