"""Handles signals that end a run early. The first signal lets the run finish cleanly; a second signal ends it at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from types import FrameType

from blurkit.errors import INTERRUPTED, PREEMPTED, StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """Tells whether a signal has asked the run to end. ``signal``: the number of that signal, or 0."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """130 for an interrupt from the keyboard, 75 for a signal of a scheduler."""
        return INTERRUPTED if self.signal == signal.SIGINT else PREEMPTED

    def error(self, done: str) -> StoppedError:
        """The error that ends the run. ``done`` says what is kept."""
        name = signal.Signals(self.signal).name
        return StoppedError(f"stopped by {name}; {done}; run the same command again to resume", self.exit_code)


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """In the block, the first SIGINT, SIGTERM or SIGUSR1 sets the flag. A second one kills the process and its children."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop:
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(INTERRUPTED if number == signal.SIGINT else PREEMPTED)
        stop.signal = number

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
