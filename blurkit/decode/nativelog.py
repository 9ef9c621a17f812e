"""What the image libraries under OpenCV print, caught instead of shown.

libjpeg and libpng report damage to file descriptor 2 and nowhere else, OpenCV to its log, which ends there too. So the descriptor
is pointed at a file in memory for the length of one call. It belongs to the whole process: what another thread prints meanwhile
is passed on afterwards, unless it looks like a message of these libraries, and a program that another thread starts meanwhile
loses its standard error.
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

# One call at a time has the descriptor. A fork waits for it, so that no child is born with its errors going astray; the lock is
# re-entrant because a signal's handler may fork while this very thread holds it.
_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

_MESSAGE = re.compile(
    rb"""^(?:
        \[\ ?(?:INFO|\ ?WARN|ERROR|FATAL):[^\n]*\n(?:>[^\n]*\n|\n)*  # OpenCV, with the lines that explain a failed check
        | libpng\ (?:warning|error):[^\n]*\n
        | (?:Corrupt\ JPEG\ data|Premature\ end\ of\ JPEG|Inconsistent\ progression|Warning:\ unknown\ JFIF|Unknown\ Adobe
            |Invalid\ SOS\ parameters|Application\ transferred)[^\n]*\n
    )""",
    re.MULTILINE | re.VERBOSE,
)


def listen(call: Callable[[], _Result]) -> tuple[_Result, list[str]]:
    """The result of ``call`` and the messages of OpenCV, libjpeg and libpng while it ran; none of them is shown."""
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
            with contextlib.suppress(OSError):  # nobody may be reading any more
                os.write(stderr, _MESSAGE.sub(b"", printed))
            os.close(stderr)
    return result, [message.decode("utf-8", "replace") for message in _MESSAGE.findall(printed)]


def _duplicate_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:  # closed, as in a daemon; should this open descriptor 2 itself, closing it restores that
        return os.open(os.devnull, os.O_WRONLY)


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("blurkit-messages")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
