"""Functions for worker processes. They are in a module of their own, which a worker can import."""

import os
import signal
import time


class Unpicklable(Exception):
    """An error that cannot be made again from its arguments."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def answer(task, report):
    """Do what the task says."""
    kind, value = task
    report(3, 4)
    if kind == "add":
        return sum(value)
    if kind == "variable":
        return os.environ.get(value)
    if kind == "raise":
        raise value
    if kind == "unpicklable":
        raise Unpicklable("one", "other")
    if kind == "die":
        os.kill(os.getpid(), value)
    if kind == "signal yourself":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        return "alive"
    time.sleep(value)
    return None
