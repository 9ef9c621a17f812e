"""The text that a process shows on a terminal."""

import contextlib
import os
import pty
import subprocess
from collections.abc import Callable


def shown_on_a_terminal(start: Callable[[int], subprocess.Popen]) -> str:
    """The output of a process. ``start`` gets a terminal's descriptor and returns the process, which must end with code 0."""
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
