"""Reads and writes files safely: atomic commits, locks, checks of disk space, and careful reading of foreign files.

A commit writes a file under a temporary name, syncs it, renames it, and syncs its folder. Without both syncs, a power cut can
leave an empty file under the final name. A crash leaves at most a file that ends in ``.tmp``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from blurkit.errors import DiskFullError, LockedError, UnreadableFileError, WriteError
from blurkit.program.progress import data_size

TEMPORARY = ".tmp"

FilePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

_WITHOUT_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # else a named pipe blocks until a process writes to it
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[int]:
    """A descriptor of a temporary file, open to read and write. The file becomes ``path`` if the block ends without an error."""
    temporary = f"{path}.{secrets.token_hex(8)}{TEMPORARY}"
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename = str(path)  # the name that the user knows
        raise
    sync_folder(path.parent)


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
    """Append one line in one system call, so that lines of several processes never mix."""
    try:
        with open(path, "ab", buffering=0) as file:
            write_all(file.fileno(), line.encode() + b"\n")  # if one call writes a part, the next raises the reason
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a power cut does not undo renames in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Remove temporary files of a killed run if ``is_ours(final name)``. The caller holds the folder's exclusive lock."""
    for path in folder.glob(f"*{TEMPORARY}"):
        if is_temporary(path.name, is_ours):
            path.unlink(missing_ok=True)


def is_temporary(name: str, is_ours: Callable[[str], bool]) -> bool:
    """Whether ``name`` is a temporary file of :func:`replacing`, with a final name that ``is_ours`` accepts."""
    return name.endswith(TEMPORARY) and is_ours(name.removesuffix(TEMPORARY).rpartition(".")[0])


def require_space(folder: Path, needed: int, advice: str) -> None:
    """Raise :class:`DiskFullError` with ``advice`` if ``needed`` bytes do not fit on the folder's disk."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(f"{folder} has {data_size(free)} free and this needs about {data_size(needed)}; {advice}")


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a lock on a file during the block. Child processes do not inherit the lock.

    If another process holds the lock, either ``wait`` or raise :class:`LockedError` at once.
    """
    with open(path, "a+b") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise LockedError(f"another run is writing {path.parent}: wait for it, stop it, or choose another --out") from error
        yield
