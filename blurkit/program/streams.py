"""Standard input, output and error of a program, when one of them is closed, full, or read by nobody.

Progress and notices on standard error are not worth the end of a run of days, so what cannot be written there is dropped. A
reader of standard output that has seen enough, such as `head`, does not change what a command does either. But a result that does
not fit on the disk is an error.
"""

from __future__ import annotations

import io
import os
import select
import sys


def open_closed_descriptors() -> None:
    """Open descriptors 0, 1 and 2 on ``/dev/null`` if they are closed. Else the next file that is opened gets one of these
    numbers, and libraries that print their messages there would write them into a dataset."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def use_patient_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that follow the rules of this module, in the same encodings."""
    open_closed_descriptors()
    sys.stdout = _text(_Descriptor(1, "standard output"), sys.stdout)
    sys.stderr = _text(_Descriptor(2, ""), sys.stderr)


def _text(descriptor: _Descriptor, before: object) -> io.TextIOWrapper:
    """A text stream. A file name may hold bytes that the terminal cannot show, so nothing fails to encode."""
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = not descriptor.required or descriptor.isatty()
    return io.TextIOWrapper(io.BufferedWriter(descriptor), encoding, errors="backslashreplace", line_buffering=lines)


class _Descriptor(io.FileIO):
    """A standard descriptor. ``name_of_output``: its name in an error, or an empty text if errors are dropped. After the first
    error nothing more is written, so that Python's own exit does not fail on what is still in its buffer."""

    def __init__(self, number: int, name_of_output: str) -> None:
        super().__init__(number, "w", closefd=False)
        self.required = name_of_output
        self._is_lost = False

    def write(self, data: object) -> int:
        """Writes and returns the number of bytes that were written or dropped."""
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        while not self._is_lost:
            try:
                written = super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self._is_lost = True
                if self.required and not isinstance(error, BrokenPipeError):
                    error.filename = self.required
                    raise
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # another program has made the terminal non-blocking, and it is busy
        return size
