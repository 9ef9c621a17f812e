"""Worker processes. Each worker has a pipe of its own and does one task at a time.

A pool of processes with one shared queue has a lock, and a worker that is killed while it waits for work keeps this lock for
ever. Here nothing is shared that a dead worker could hold. The death of a worker closes its pipe, which its parent sees at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import connection, resource_tracker
from typing import Any

from blurkit.errors import BlurkitError
from blurkit.program.signals import holding_signals, ignore_signals
from blurkit.program.streams import open_closed_descriptors

#: Kinds of messages of a worker: it has imported its function; it has done its task; its task has raised an error.
READY, DONE, FAILED = "ready", "done", "failed"

#: Environment variables that limit numerical libraries to one thread. The libraries read them when a worker imports them.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

#: A function that is called with two numbers that the parent can read as :attr:`Worker.progress`.
Report = Callable[[int, int], None]


def available_cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerDiedError(BlurkitError):
    """A worker process has ended without an answer."""


class Worker:
    """A process that calls ``function(task, report)`` for each task that it is sent, with numerical libraries on one thread.

    ``function``: a function of a module. The worker imports this module after it has asked to die with its parent. ``pipe``: to
    wait for a message, with :func:`multiprocessing.connection.wait`.
    """

    def __init__(self, function: Callable[[Any, Report], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        with holding_signals():
            resource_tracker.ensure_running()  # apart, because the first start of this helper process unblocks signals
        with holding_signals(), _one_thread():
            # Progress is in shared memory without a lock, because a killed worker would never release the lock.
            self._progress = context.RawArray("q", [-1, 0])
            self.pipe, theirs = context.Pipe()
            with theirs:
                arguments = (theirs, self._progress, os.getpid())
                self._process = context.Process(target=_serve, args=arguments, daemon=True)
                self._process.start()
        with contextlib.suppress(WorkerDiedError):  # receive() raises it
            self._send(function)

    @property
    def progress(self) -> tuple[int, int]:
        """The numbers of the last report in the current task, or (-1, 0)."""
        return self._progress[0], self._progress[1]

    def send(self, task: Any) -> None:
        """Send the next task. Raises :class:`WorkerDiedError`."""
        self._progress[0], self._progress[1] = -1, 0
        self._send(task)

    def receive(self) -> tuple[str, Any]:
        """Waits for a message and returns its kind and value: ``READY``, ``DONE`` with a result, or ``FAILED`` with an error.
        Raises :class:`WorkerDiedError`."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError("a worker process died") from error

    def cause_of_death(self) -> str:
        """How a worker ended that has closed its pipe, in words."""
        self._process.join(1)  # the pipe closes a moment before the process is gone
        self.end()
        code = self._process.exitcode or 0
        return f"signal {-code}, {signal.strsignal(-code) or 'unknown'}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """End the process at once. It has nothing to tidy up: a worker that is killed leaves at most a temporary file."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _send(self, message: Any) -> None:
        try:
            self.pipe.send(message)
        except OSError as error:
            raise WorkerDiedError("a worker process died") from error


def run_apart(function: Callable[[Any, Report], Any], task: Any) -> Any:
    """Calls ``function(task, report)`` in a process of its own and returns its result, or raises its error. Raises
    :class:`WorkerDiedError` if the process dies."""
    worker = Worker(function)
    try:
        _expect(worker)
        worker.send(task)
        return _expect(worker)
    finally:
        worker.end()


def _expect(worker: Worker) -> Any:
    kind, value = worker.receive()
    if kind == FAILED:
        raise value
    return value


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ[name] for name in _ONE_THREAD if name in os.environ}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name in _ONE_THREAD:
            del os.environ[name]
        os.environ.update(before)


def _serve(pipe: connection.Connection, progress: Any, parent: int) -> None:
    """The life of a worker: the function, and then tasks, until its parent closes the pipe."""
    _die_with(parent)  # first, because the imports that follow take seconds
    ignore_signals()
    open_closed_descriptors()

    def report(one: int, other: int) -> None:
        progress[0], progress[1] = one, other

    function: Callable[[Any, Report], Any] | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            received = pipe.recv_bytes()
            try:
                message = pickle.loads(received)  # imports what the function needs
                if function is None:
                    function = message
                    pipe.send((READY, None))
                else:
                    pipe.send((DONE, function(message, report)))
            except Exception as error:
                pipe.send((FAILED, _portable(error)))


def _die_with(parent: int) -> None:
    """Asks Linux for SIGKILL when the parent dies. On other systems, a worker ends when it next waits for work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:  # the parent died before the request
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error with the traceback of the worker as a note, or a plain error with the same text if it cannot be pickled."""
    where = "in a worker process:\n" + "".join(traceback.format_exception(error))
    try:
        error.add_note(where)
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(where)
    return error
