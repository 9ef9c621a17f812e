"""What a program shows on a terminal."""

import contextlib
import os
import pty
import subprocess
from collections.abc import Callable


def shown_on_a_terminal(start: Callable[[int], subprocess.Popen]) -> str:
    """All that a process writes, which is started with the descriptor of a terminal; it must end without an error."""
    ours, theirs = pty.openpty()
    process = start(theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()
