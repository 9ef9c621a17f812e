"""Locks that keep two runs out of one folder: flock, or on a file system without it, files that name their owners."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.errors import LockedError, UsageError
from blurkit.program.claims import claimed
from blurkit.program.lenient import NO_LOCKS, give_up, naming

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False, what: str = "run", option: str = "--out") -> Iterator[None]:
    """Hold a lock on a file during the block. Child processes do not inherit the lock.

    If another process holds the lock, either ``wait`` or raise :class:`LockedError` at once. ``what`` and ``option`` are words of
    its message: what holds the lock, and how to choose another folder. Where there is no flock, :func:`claimed` takes its place.
    """
    descriptor = _open(path)
    try:
        with contextlib.ExitStack() as stack:
            if not _flock(descriptor, path, shared=shared, wait=wait, message=_message(path, what, option)):
                stack.enter_context(claimed(path, shared=shared, wait=wait, message=_message(path, what, option)))
            yield
    finally:
        with naming("close", path):
            os.close(descriptor)


def _message(path: Path, what: str, option: str) -> str:
    return f"another {what} is writing {path.parent}: wait for it, stop it, or choose another {option}"


def _open(path: Path) -> int:
    try:
        with naming("open", path):
            return os.open(path, _FLAGS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a symbolic link, and nothing is written through it: remove the link") from error
        raise


def _flock(descriptor: int, path: Path, *, shared: bool, wait: bool, message: str) -> bool:
    """Lock an open file. Returns whether its file system has such locks."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in NO_LOCKS:
            give_up("flock", path.parent, error)
            return False
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise LockedError(message) from error
        error.filename = str(path)
        raise
    return True
