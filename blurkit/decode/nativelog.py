"""Catches the messages that OpenCV, libjpeg and libpng print.

libjpeg and libpng report damage only to file descriptor 2. OpenCV's log is written there too. So the descriptor is redirected to
a file in memory during one call. The descriptor belongs to the whole process. If another thread prints during the call, its text
is printed after the call, unless it looks like a message of these libraries. If another thread starts a program during the call,
that program loses its standard error.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

import cv2

_Result = TypeVar("_Result")

# The lock lets one call at a time redirect the descriptor. A fork waits for the lock, so that no child starts with a redirected
# standard error. The lock is re-entrant because a signal handler may fork in the thread that holds it.
_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

_MESSAGE = re.compile(
    rb"""^(?:
        \[\ ?(?:INFO|\ ?WARN|ERROR|FATAL):[^\n]*\n(?:>[^\n]*\n|\n)*  # OpenCV, with the lines that explain a failed check
        | libpng\ (?:warning|error):[^\n]*\n
        | (?:Corrupt\ JPEG\ data|Premature\ end\ of\ JPEG|Inconsistent\ progression|Warning:\ unknown\ JFIF|Unknown\ Adobe
            |Invalid\ SOS\ parameters|Application\ transferred
            |Apparently\ should\ be|libtiff\ should\ be)[^\n]*\n  # the last two are second lines of libtiff's messages
    )""",
    re.MULTILINE | re.VERBOSE,
)


def catch_messages(call: Callable[[], _Result]) -> tuple[_Result, list[str]]:
    """Returns the result of ``call``, and the messages of OpenCV, libjpeg and libpng during the call, which are not shown."""
    with _lock:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)  # a user's "silent" must not hide damage
        stderr, memory = _duplicate_stderr(), _memory_file()
        try:
            os.dup2(memory, 2)
            result = call()
        finally:
            os.dup2(stderr, 2)
            cv2.utils.logging.setLogLevel(level)
            printed = os.pread(memory, 1 << 20, 0)
            os.close(memory)
            with contextlib.suppress(OSError):  # the reader of a pipe may have gone
                os.write(stderr, _MESSAGE.sub(b"", printed))
            os.close(stderr)
    return result, [message.decode("utf-8", "replace") for message in _MESSAGE.findall(printed)]


def _duplicate_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:  # standard error is closed, as in a daemon
        # If this call opens descriptor 2 itself, closing it later restores the closed state.
        return os.open(os.devnull, os.O_WRONLY)


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("blurkit-messages")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
