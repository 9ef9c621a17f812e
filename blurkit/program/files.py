"""Reads and writes files safely: atomic commits, checks of disk space, and careful reading of foreign files.

A commit writes a file under a temporary name, syncs it, renames it, and syncs its folder. Without both syncs, a power cut can
leave an empty file under the final name. A crash leaves at most a file that ends in ``.tmp``, whose name nobody else gives to a
file: it holds a check of itself.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from blurkit.errors import DiskFullError, UnreadableFileError, WriteError
from blurkit.program.lenient import NOT_OFFERED, NOT_OFFERED_ON_FOLDERS, give_up, naming
from blurkit.program.progress import data_size

TEMPORARY = ".tmp"

FilePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

_WITHOUT_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # else a named pipe blocks until a process writes to it
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_TEMPORARY = re.compile(r"(.+)\.([0-9a-f]{16})([0-9a-f]{8})\.tmp", re.DOTALL)


@contextlib.contextmanager
def open_regular(path: FilePath, *, follow_links: bool = True) -> Iterator[int]:
    """A descriptor of a regular file, open for reading. It never waits for a pipe or a device.

    Raises :class:`UnreadableFileError` ``missing``, ``link``, ``not_a_file`` or ``unreadable``, also if reading fails within the
    block. If the machine has no file handle or no memory left, the OSError is raised as it is: the file is not at fault.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _WITHOUT_WAITING | (0 if follow_links else os.O_NOFOLLOW))
    except ValueError as error:  # a NUL or a lone surrogate
        raise UnreadableFileError("missing", "No file can have this name.") from error
    except OSError as error:
        raise _refusal(error, follow_links=follow_links) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnreadableFileError("not_a_file", "This is a folder, a pipe or a device, not a file.")
        yield descriptor
    except OSError as error:
        raise _refusal(error, follow_links=follow_links) from error
    finally:
        os.close(descriptor)


def read_regular(path: FilePath, *, most: int, follow_links: bool = True) -> bytes:
    """The content of a regular file of at most ``most`` bytes. Raises :class:`UnreadableFileError`, also ``too_large``."""
    with open_regular(path, follow_links=follow_links) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise UnreadableFileError("too_large", f"The file has {size} bytes; the limit is {most}.")
        return read_all(descriptor, size)


def read_all(descriptor: int, size: int) -> bytes:
    """The first ``size`` bytes of a file, or fewer if the file is shorter."""
    parts, position = [], 0
    while part := os.pread(descriptor, size - position, position):
        parts.append(part)
        position += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _refusal(error: OSError, *, follow_links: bool) -> Exception:
    if error.errno in _EXHAUSTED:
        return error
    if error.errno == errno.ELOOP and not follow_links:
        return UnreadableFileError("link", "This is a symbolic link; links are not followed, give the file itself.")
    if error.errno in (errno.EISDIR, errno.ENXIO):
        return UnreadableFileError("not_a_file", "This is a folder, a socket or a device, not a file.")
    reason = "missing" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "unreadable"
    return UnreadableFileError(reason, f"The file cannot be read: {error.strerror}.")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raises :class:`WriteError` if it cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"cannot write in {folder}: permission denied; choose another folder with --out")
    sync_folder(folder)  # tries it early, so that one notice comes from this process and none from its workers


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[int]:
    """A descriptor of a temporary file, open to read and write. The file becomes ``path`` if the block ends without an error."""
    temporary = temporary_path(path)
    try:
        with naming("open", path):
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
            sync_file(descriptor, path)
        finally:
            with naming("close", path):
                os.close(descriptor)
        with naming("rename", path):
            os.rename(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:  # in the block, most likely a write
            with naming("write", path):
                raise
        raise
    sync_folder(path.parent)


def temporary_path(path: Path) -> Path:
    """A new name for a temporary file of ``path``, in its folder. Its last digits are a check of the rest."""
    token = secrets.token_hex(8)
    return path.with_name(f"{path.name}.{token}{_check(path.name, token)}{TEMPORARY}")


def _check(name: str, token: str) -> str:
    return hashlib.blake2b(f"blurkit {name} {token}".encode(errors="surrogateescape"), digest_size=4).hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a small file completely or not at all."""
    with replacing(path) as descriptor:
        write_all(descriptor, data)


def write_all(descriptor: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write every byte, at ``offset`` or at the current position. One system call may write fewer bytes."""
    view = memoryview(data).cast("B")
    while view:
        written = os.write(descriptor, view) if offset is None else os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset = None if offset is None else offset + written


def append_line(path: Path, line: str) -> None:
    """Append one line in one system call, so that lines of several processes never mix. Links and pipes are refused."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | _WITHOUT_WAITING
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, or a pipe without a reader
            raise _no_plain_file(path) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_plain_file(path)
        with naming("write", path):
            write_all(descriptor, line.encode() + b"\n")  # if one call writes a part, the next raises the reason
    finally:
        with naming("close", path):
            os.close(descriptor)


def _no_plain_file(path: Path) -> WriteError:
    return WriteError(f"{path} is a symbolic link, a pipe or a device, and nothing is written through it: move it away")


def sync_file(descriptor: int, path: Path) -> None:
    """Sync an open file, so that a power cut does not leave it empty. ``path``: its name in errors."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)
        if error.errno not in NOT_OFFERED:
            raise
        give_up("fsync of files", path, error)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a power cut does not undo renames in it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        error.filename = str(folder)
        if error.errno not in NOT_OFFERED_ON_FOLDERS:
            raise
        give_up("fsync of folders", folder, error)


def remove_temporaries(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Remove temporary files of a killed run if ``is_ours(final name)``. The caller holds the folder's exclusive lock."""
    for path in folder.glob(f"*{TEMPORARY}"):
        if is_temporary(path.name, is_ours):
            path.unlink(missing_ok=True)


def is_temporary(name: str, is_ours: Callable[[str], bool]) -> bool:
    """Whether ``name`` is a name of :func:`temporary_path`, with a final name that ``is_ours`` accepts."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and match[3] == _check(match[1], match[2]) and is_ours(match[1])


def require_space(folder: Path, needed: int, advice: str) -> None:
    """Raise :class:`DiskFullError` with ``advice`` if ``needed`` bytes do not fit on the folder's disk."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        if error.errno not in NOT_OFFERED_ON_FOLDERS:
            raise
        return give_up("statvfs", folder, error)
    if needed > usage.free and (usage.free or usage.total):  # some network file systems say that they have no space at all
        raise DiskFullError(f"{folder} has {data_size(usage.free)} free and this needs about {data_size(needed)}; {advice}")
