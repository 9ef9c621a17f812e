"""Locks for file systems that have none: whoever holds one keeps a file beside it that names its owner.

A run writes its own claim first and then looks for those of others. Of two runs that begin at the same time both may step back,
but never both go on, as long as each sees the files that the other has written. The claim of a process that has ended on this
machine counts no longer. Whether a process on another machine still runs is not known, so its claim is respected, and the message
says which file to delete if that run is known to have ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blurkit.errors import LockedError, UnreadableFileError
from blurkit.program.files import read_regular, write_atomic
from blurkit.program.progress import duration

#: Seconds of further attempts: if two runs step back for each other, and for a run that waits for a lock that is held briefly.
_HESITATION, _PATIENCE = 1.0, 60.0
_PAUSE = 0.05
_MOST_BYTES = 1 << 16


@contextlib.contextmanager
def claimed(lock: Path, *, shared: bool, wait: bool, message: str) -> Iterator[None]:
    """Hold a claim on ``lock`` during the block. Raises :class:`LockedError`, which begins with ``message``, if others hold it.

    With ``wait`` this happens after a minute, without it after a second.
    """
    end = time.monotonic() + (_PATIENCE if wait else _HESITATION)
    mine = lock.with_name(f".held{lock.name}.{'shared' if shared else 'alone'}.{secrets.token_hex(8)}")
    while True:
        write_atomic(mine, json.dumps(_owner()).encode())
        try:
            other = _other(lock, mine, shared=shared)
            if other is None:
                yield
                return
        finally:
            mine.unlink(missing_ok=True)
        if time.monotonic() > end:
            raise LockedError(f"{message}. {_described(other)}")
        time.sleep(_PAUSE * (1 + random.random()))


def _other(lock: Path, mine: Path, *, shared: bool) -> Path | None:
    """A claim of somebody else that excludes this one. Claims of processes that have ended are removed."""
    kind = "alone" if shared else "*"  # shared claims exclude none of their own kind
    for path in sorted(lock.parent.glob(f".held{lock.name}.{kind}.{'[0-9a-f]' * 16}")):
        if path == mine:
            continue
        owner = _read(path)
        if owner is not None and owner.get("space") == _space() and not _runs(owner):
            path.unlink(missing_ok=True)
        elif os.path.lexists(path):  # not released meanwhile
            return path
    return None


def _described(claim: Path) -> str:
    owner = _read(claim) or {}
    try:
        age = f", since {duration(max(time.time() - os.lstat(claim).st_mtime, 0))}"
    except OSError:
        age = ""
    who = f"process {owner.get('process', 'unknown')} on {owner.get('host', 'an unknown machine')}{age}"
    if owner.get("space") == _space():
        return f"It is {who}"
    return f"It is {who}, and from here it cannot be seen whether it still runs: if it has ended, delete {claim}"


def _owner() -> dict[str, Any]:
    return {"host": socket.gethostname(), "space": _space(), "process": os.getpid(), "start": _start(os.getpid())}


def _space() -> str:
    """Where process numbers mean the same processes: one boot of one machine, and one container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return socket.gethostname()


def _start(process: int) -> str:
    """When a process began, in ticks since the boot, so that its number is not taken for a later process. Empty if not known."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _runs(owner: dict[str, Any]) -> bool:
    process = owner.get("process")
    if type(process) is not int or process <= 0:
        return True  # nobody knows
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return _start(process) == owner.get("start")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads(read_regular(path, most=_MOST_BYTES, follow_links=False))
    except (UnreadableFileError, ValueError, RecursionError):
        return None
    return owner if isinstance(owner, dict) else None
