"""Handles signals that end a run early. The first signal lets the run finish cleanly; a second signal ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from blurkit.errors import INTERRUPTED, PREEMPTED, Interruption, StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """Tells whether a signal has asked the run to end. ``signal``: the number of that signal, or 0."""

    def __init__(self, signal: int = 0) -> None:
        self.signal = signal

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """130 for an interrupt from the keyboard, 75 for a signal of a scheduler."""
        return INTERRUPTED if self.signal == signal.SIGINT else PREEMPTED

    def error(self, done: str) -> StoppedError:
        """The error that ends the run. ``done`` says what is kept."""
        return StoppedError(f"{self.sentence(done)} to resume", self.exit_code)

    def sentence(self, done: str = "") -> str:
        """Which signal it was, what is kept, and what to do."""
        kept = f"; {done}" if done else ""
        return f"stopped by {signal.Signals(self.signal).name}{kept}; run the same command again"


class SignalHandler:
    """Handles the signals of a program, except in the blocks of :func:`stopping`.

    The first signal raises :class:`Interruption`. During an import it ends the process at once instead, because a compiled module
    that is being imported may swallow an exception. A second signal ends the process at once too. So does the first, once
    ``code`` is set, the exit code of the finished program.
    """

    def __init__(self, program: str) -> None:
        self.code: int | None = None
        self.stop = Stop()
        self._program = program

    def install(self) -> None:
        """Handle all signals from now on."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.code is not None:
            _end_at_once(self.code)
        if self.stop:
            _end_at_once(self.stop.exit_code)
        self.stop.signal = number
        if _is_importing(frame):
            with contextlib.suppress(OSError):
                os.write(2, f"{self._program}: {self.stop.sentence()}\n".encode())
            _end_at_once(self.stop.exit_code)
        raise Interruption(self.stop.sentence(), self.stop.exit_code, number)


@contextlib.contextmanager
def handling_signals(program: str) -> Iterator[None]:
    """In the block, a :class:`SignalHandler` is in place. One that is in place already stays; so do the handlers of a thread."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    is_handled = any(isinstance(getattr(handler, "__self__", None), SignalHandler) for handler in before.values())
    if is_handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    SignalHandler(program).install()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """If a signal interrupts the block, raises :class:`StoppedError`, which says what is ``kept``."""
    try:
        yield
    except Interruption as interruption:
        raise Stop(interruption.signal).error(kept) from None


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """In the block, the first SIGINT, SIGTERM or SIGUSR1 sets the flag. A second one kills the process and its children, also
    after the block, while the program ends."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop:
            _end_at_once(stop.exit_code)
        stop.signal = number

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, SignalHandler) and stop:
                outer.stop = stop
            signal.signal(number, handler)


def _end_at_once(code: int) -> None:
    multiprocessing = sys.modules.get("multiprocessing")  # there are no children if it is not loaded
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()
    os._exit(code)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def holding_signals() -> Iterator[None]:
    """Block signals during the block. Processes started in it also block them, until :func:`ignore_signals`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Ignore signals in a worker. The parent handles a signal to the whole group, and still needs its workers then."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
