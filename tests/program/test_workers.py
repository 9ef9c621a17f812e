"""Tests worker processes: their answers, their errors and their deaths."""

import os
import signal
from multiprocessing.connection import wait

import pytest
from worker_functions import answer

from blurkit.program.workers import DONE, FAILED, READY, Worker, WorkerDiedError, run_apart


@pytest.fixture(scope="module")
def worker():
    worker = Worker(answer)
    assert worker.receive() == (READY, None)
    yield worker
    worker.end()


def ask(worker, *task):
    worker.send(task)
    return worker.receive()


def test_it_answers_one_task_after_another_and_reports(worker):
    assert ask(worker, "add", [1, 2]) == (DONE, 3)
    assert worker.progress == (3, 4)
    assert ask(worker, "add", list(range(1_000_000))) == (DONE, 499_999_500_000)  # more than a pipe holds


def test_it_computes_on_one_thread_and_leaves_our_environment_alone(worker):
    before = dict(os.environ)
    assert ask(worker, "variable", "OMP_NUM_THREADS") == (DONE, "1")
    assert ask(worker, "variable", "PATH") == (DONE, os.environ["PATH"])
    assert dict(os.environ) == before


def test_it_ignores_signals_and_goes_on(worker):
    assert ask(worker, "signal yourself", None) == (DONE, "alive")


def test_an_error_comes_back_with_its_traceback(worker):
    kind, error = ask(worker, "raise", OSError(28, "No space left on device", "a.h5"))
    assert (kind, type(error), error.errno, error.filename) == (FAILED, OSError, 28, "a.h5")
    assert "worker_functions.py" in error.__notes__[0]
    assert ask(worker, "add", [1]) == (DONE, 1), "it can still work"


def test_an_error_that_cannot_be_sent_comes_back_as_text(worker):
    kind, error = ask(worker, "unpicklable", None)
    assert (kind, type(error), str(error)) == (FAILED, RuntimeError, "Unpicklable: one and other")


def test_deaths_are_seen_with_their_cause():
    worker = Worker(answer)
    assert worker.receive()[0] == READY
    worker.send(("die", signal.SIGSEGV))
    with pytest.raises(WorkerDiedError):
        worker.receive()
    assert worker.progress == (3, 4)
    assert worker.cause_of_death().startswith("signal 11, Segmentation fault")


@pytest.mark.parametrize("number", [0, 2])
def test_workers_killed_while_they_wait_disturb_no_other(number):
    workers = [Worker(answer) for _ in range(3)]
    try:
        assert [worker.receive()[0] for worker in workers] == [READY] * 3
        killed = workers.pop(number)
        os.kill(killed._process.pid, signal.SIGKILL)
        assert wait([killed.pipe], timeout=60)
        with pytest.raises(WorkerDiedError):
            killed.receive()
        killed.end()
        assert [ask(worker, "add", [1, 1]) for worker in workers] == [(DONE, 2)] * 2
    finally:
        for worker in workers:
            worker.end()


def test_a_busy_worker_can_be_ended():
    worker = Worker(answer)
    assert worker.receive()[0] == READY
    worker.send(("sleep", 10_000))
    worker.end()


def test_one_call_in_a_process_of_its_own():
    assert run_apart(answer, ("add", [2, 3])) == 5
    with pytest.raises(ValueError, match="no"):
        run_apart(answer, ("raise", ValueError("no")))
    with pytest.raises(WorkerDiedError):
        run_apart(answer, ("die", signal.SIGKILL))
