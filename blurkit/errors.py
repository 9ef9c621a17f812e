"""The exceptions, the exit codes, and the function that turns an exception into a message and an exit code.

Exit codes of ``blurkit`` and ``trainer``: 0 done; 1 more failures than ``--max-bad``, corruption found, or disk full; 2 a wrong
option, recipe or folder, two configurations in one folder, or a locked folder; 3 a bug (the message names a log file);
75 preempted, run again to resume; 130 interrupted.
"""

from __future__ import annotations

import difflib
import errno
import sys
import traceback
from collections.abc import Callable, Iterable

OK, FAILED, USAGE, BUG, PREEMPTED, INTERRUPTED = 0, 1, 2, 3, 75, 130


class BlurkitError(Exception):
    """An error whose message tells a person what is wrong, where, and what to do."""

    exit_code = FAILED


class UsageError(BlurkitError, ValueError):
    """An argument, a recipe or a folder that cannot be used."""

    exit_code = USAGE


class LockedError(UsageError):
    """Another run is writing the same folder or slice."""


class CorruptShardError(BlurkitError):
    """A file that is not a shard, or a shard whose bytes have changed since it was written."""


class DiskFullError(BlurkitError):
    """The output does not fit on the disk."""


class StoppedError(BlurkitError):
    """A signal ended the run early. Everything written so far is intact."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interruption(BaseException):
    """A signal has ended a command that has nothing to finish. It is no ``Exception``, so that nobody handles it as a failure."""

    def __init__(self, message: str, exit_code: int, signal: int) -> None:
        super().__init__(message)
        self.exit_code, self.signal = exit_code, signal


class UnreadableFileError(BlurkitError):
    """A file that cannot be read.

    ``reason``: a short, stable word that programs can count. The message is a sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.reason, str(self))


class BadImageError(UnreadableFileError):
    """A photograph that cannot be used. It becomes a line of the ledger, and the run continues."""


class WriteError(BlurkitError):
    """The output folder cannot be made or written."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns ``"; did you mean 'x'?"`` with the known word closest to ``word``, or an empty string if none is close.

    A key without a section matches dotted keys: ``length`` matches ``trajectory.length`` and ``rotation.length``.
    """
    known = list(known)
    match = [name for name in known if name != word and name.rsplit(".", 1)[-1] == word]
    match = match or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, match))}?" if match else ""


def guard(program: str, command: Callable[[], int]) -> int:
    """Run ``command`` and return its exit code. If it raises, print a message on standard error and return the error's code."""
    try:
        return command()
    except (BlurkitError, Interruption) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # a disk, a network drive or a permission: a traceback would not help
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        again = "run the same command again"
        advice = f"free some disk space, then {again} to resume" if full else f"solve this, then {again}"
        print(f"{program}: {error.filename or 'the output'}: {error.strerror or error}; {advice}", file=sys.stderr)
        return FAILED
    except MemoryError as error:
        print(f"{program}: out of memory ({error}); use fewer --workers or smaller photographs", file=sys.stderr)
        return FAILED
    except Exception as error:
        return _bug(program, error)


def _bug(program: str, error: BaseException) -> int:
    import tempfile  # here, because every start of the program would pay for it

    with tempfile.NamedTemporaryFile("w", prefix=f"{program}-error-", suffix=".log", delete=False) as log:
        log.write(f"{sys.argv}\n{sys.version}\n")
        log.write("".join(traceback.format_exception(error)))
    print(f"{program}: unexpected {type(error).__name__}: {error}\nThis is a bug; the details are in {log.name}", file=sys.stderr)
    return BUG
