"""The entry of a program. It prepares streams and signals before the imports of the command line, which take longer."""

from __future__ import annotations

import atexit
import importlib
import sys

from blurkit.errors import guard
from blurkit.program.signals import SignalHandler, ignore_signals
from blurkit.program.streams import use_patient_streams


def enter(program: str, command_line: str) -> int:
    """Run ``main()`` of the module ``command_line`` in a process that does nothing else. Returns the exit code.

    Until the process is gone, signals lead to the exit codes of :mod:`blurkit.errors`: also during the imports, and after the
    command has ended.
    """
    use_patient_streams()
    atexit.register(ignore_signals)  # the first one that is registered runs last, when no Python code can handle a signal
    handler = SignalHandler(program)
    handler.install()

    def run() -> int:
        code = int(importlib.import_module(command_line).main())
        sys.stdout.flush()  # here, where an error of the disk still has a message
        handler.code = code
        return code

    code = guard(program, run)
    handler.code = code
    return code
