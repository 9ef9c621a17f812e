"""Unpacks zip archives from untrusted sources: only regular files, only inside the root, never half written.

All members are checked before the first is written. A file gets its name only if its bytes match the size and the CRC-32 that the
archive declares. A file that exists and matches is kept, so that an interrupted run resumes.
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
from blurkit.program.files import require_space, write_all
from blurkit.program.lenient import naming
from blurkit.program.locks import locked
from blurkit.program.progress import data_size
from blurkit.sources.archive.download import LOCK

#: The name of a file while it is written. The lock makes one name enough, and a killed run leaves only one such file.
TEMPORARY = ".unpack.tmp"

#: The largest ratio of unpacked to packed size. It is about 3 for COCO's JSON files, and 1 for photographs.
LARGEST_RATIO = 20

_CHUNK = 1 << 20
_BLOCK = 4096  # bytes
_ENCRYPTED = 0x1 | 0x40
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


class ArchiveError(BlurkitError):
    """An archive is damaged, or it has a member that no dataset needs."""


def unpack(archive: Path, root: Path, *, report: Callable[[int, int], None]) -> int:
    """Unpacks a zip archive into ``root``, and returns the number of its files.

    ``report`` is called with the number of unpacked bytes and the number of all bytes. An existing empty file is replaced,
    because a power cut leaves empty files. An existing file that differs otherwise is kept, and an error is raised.

    Raises :class:`ArchiveError`, :class:`blurkit.errors.UsageError` if a file, folder or link is in the way,
    :class:`blurkit.errors.LockedError`, :class:`blurkit.errors.DiskFullError`.
    """
    with locked(root / LOCK, what="fetch", option="--root"), _opened(archive) as zipped:
        files = check_members(zipped.infolist(), archive, root)
        for folder in {PurePosixPath(member.filename).parent for member in files}:
            _refuse_links(root, folder.parts)
        _require_space(root, files)
        done, total = 0, sum(member.file_size for member in files)
        for member in files:
            _unpack_file(zipped, member, archive, root)
            done += member.file_size
            report(done, total)
        os.sync()  # once for all files, before the archive is deleted; files lost in an earlier power cut are unpacked again
    return len(files)


def check_members(members: Sequence[zipfile.ZipInfo], archive: Path, root: Path) -> list[zipfile.ZipInfo]:
    """Returns the members that are files, if all members are safe to write below ``root``. Raises :class:`ArchiveError`."""
    longest = os.pathconf(root, "PC_NAME_MAX"), os.pathconf(root, "PC_PATH_MAX") - len(os.fsencode(root.absolute())) - 2
    taken: set[str] = set()
    for member in members:
        why = _refusal(member, longest) or ("its name comes twice" if _key(member.filename) in taken else "")
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
        raise ArchiveError(f"{archive} is damaged: a member is said to begin outside of it; nothing was unpacked")
    if packed > size or unpacked > LARGEST_RATIO * size:
        raise ArchiveError(f"{archive}: {data_size(size)} declare {data_size(unpacked)} of files; nothing was unpacked")
    return files


def _key(name: str) -> str:
    """Returns a key that is equal for names of one file on a file system that ignores case or the form of accents."""
    return unicodedata.normalize("NFC", name).casefold()


def _refusal(member: zipfile.ZipInfo, longest: tuple[int, int]) -> str:
    """Returns why a member is not unpacked, or an empty text. ``longest``: the most bytes of a name and of a path."""
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
    needed, block = 0, _BLOCK
    with contextlib.suppress(OSError):  # some network file systems do not tell
        block = os.statvfs(root).f_frsize or _BLOCK
    for member in files:
        with contextlib.suppress(OSError):
            if os.lstat(root / member.filename).st_size == member.file_size:
                continue
        needed += -(-member.file_size // block) * block
    require_space(root, needed, "make room for what is unpacked, and run again")


def _unpack_file(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, archive: Path, root: Path) -> None:
    """Writes one file, unless it exists and matches."""
    *parents, name = member.filename.split("/")
    with _folder(root, parents) as folder:
        if _is_unpacked(folder, name, member, root):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(TEMPORARY, dir_fd=folder)
        try:
            with naming("write", root / member.filename):
                _write(zipped, member, folder)
            with naming("rename", root / member.filename):
                os.rename(TEMPORARY, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(TEMPORARY, dir_fd=folder)
            if isinstance(error, _DAMAGED):
                raise ArchiveError(f"{archive} is damaged at {member.filename}: {error}; delete it and run again") from error
            raise


def _write(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: int) -> None:
    size, flags = 0, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(TEMPORARY, flags, 0o666, dir_fd=folder), "wb") as file, zipped.open(member) as source:
        while data := source.read(_CHUNK):
            size += len(data)
            write_all(file.fileno(), data)  # zipfile reads at most the declared size, and compares the CRC-32 at the end
    if size != member.file_size:
        raise zipfile.BadZipFile(f"it holds {size:,} bytes and declares {member.file_size:,}")


def _is_unpacked(folder: int, name: str, member: zipfile.ZipInfo, root: Path) -> bool:
    """Whether the member's file exists and matches. Raises :class:`UsageError` if another file has its name."""
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
        f"{root / member.filename} is there and differs from the archive's file; it is kept: move it or its folder away, "
        "or choose another --root, then run the same command again"
    )


@contextlib.contextmanager
def _folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """Yields a descriptor of a folder below ``root``, which is made if it is missing. No link is followed, not even a new one."""
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
    """Raises :class:`UsageError` if a folder below ``root`` is a link or a file."""
    path = root
    for part in parts:
        path /= part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a symbolic link; nothing is written through it" if path.is_symlink() else "no folder"
            raise UsageError(f"{path} is {what}: move it away, or choose another --root, then run the same command again")
