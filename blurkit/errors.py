"""The exception tree, the exit codes, and the one place where errors end.

Exit codes, shared by ``blurkit`` and ``trainer``: 0 done; 1 finished with failures above ``--max-bad``, corruption found,
or disk full; 2 usage or configuration, including a refusal to mix and a locked folder; 3 a bug (a log file is written and
named); 75 preempted, run again to resume; 130 interrupted.
"""

from __future__ import annotations

import difflib
import errno
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable

OK, FAILED, USAGE, BUG, PREEMPTED, INTERRUPTED = 0, 1, 2, 3, 75, 130


class BlurkitError(Exception):
    """An error with a message meant for a person: what, where, and what to do."""

    exit_code = FAILED


class UsageError(BlurkitError, ValueError):
    """An argument, a recipe or a folder that cannot be used as asked."""

    exit_code = USAGE


class LockedError(UsageError):
    """Another run is writing the same folder or slice."""


class CorruptShardError(BlurkitError):
    """A shard that is no shard, or whose bytes are not those that were written."""


class DiskFullError(BlurkitError):
    """The output does not fit, or did not."""


class StoppedError(BlurkitError):
    """A signal ended the run early with everything written so far intact."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnreadableFileError(BlurkitError):
    """A file that cannot be read.

    ``reason`` is a short stable word for programs to count by, the message is a sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.reason, str(self))


class BadImageError(UnreadableFileError):
    """One photograph that cannot be used; it becomes a line of the ledger and the run goes on."""


class WriteError(BlurkitError):
    """The output folder cannot be written."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known word closest to ``word``, or an empty string.

    A bare key means a dotted one: ``length`` is ``trajectory.length`` or ``rotation.length``.
    """
    known = list(known)
    match = [name for name in known if name != word and name.rsplit(".", 1)[-1] == word]
    match = match or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, match))}?" if match else ""


def guard(program: str, command: Callable[[], int]) -> int:
    """Run ``command`` and turn whatever it raises into a message on standard error and an exit code."""
    try:
        return command()
    except BlurkitError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # the disk, the network drive, a permission: nothing that a traceback would explain
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "make room and run the same command again, it resumes" if full else "see to it and run the same command again"
        print(f"{program}: {error.filename or 'the output'}: {error.strerror or error}; {advice}", file=sys.stderr)
        return FAILED
    except MemoryError as error:
        print(f"{program}: out of memory ({error}); use fewer --workers or smaller photographs", file=sys.stderr)
        return FAILED
    except Exception as error:
        return _bug(program, error)


def _bug(program: str, error: BaseException) -> int:
    with tempfile.NamedTemporaryFile("w", prefix=f"{program}-error-", suffix=".log", delete=False) as log:
        log.write(f"{sys.argv}\n{sys.version}\n")
        log.write("".join(traceback.format_exception(error)))
    print(f"{program}: unexpected {type(error).__name__}: {error}\nThis is a bug; the details are in {log.name}", file=sys.stderr)
    return BUG
