"""Tests what becomes of the tasks of workers that die, and how many processors are counted."""

import itertools
import multiprocessing
import os
from pathlib import Path

import pytest

from blurkit.errors import BlurkitError
from blurkit.pipeline import engine
from blurkit.pipeline.engine import run_tasks
from blurkit.pipeline.settings import Settings
from blurkit.pipeline.task import ShardTask
from blurkit.program.signals import Stop
from blurkit.program.workers import DONE, FAILED, READY, WorkerDiedError, available_cpus
from blurkit.recipes.load import load_recipe
from blurkit.sources import ImageRecord

#: The number of photographs of each task.
PHOTOGRAPHS = 3


@pytest.fixture
def run(monkeypatch):
    """A function that makes shards with workers that do as a test tells them. Returns the tasks that were done, in this order.

    ``fate(task)``: "done", "failed", or the position at which the worker dies. ``starts``: for each worker in turn, whether it
    lives until it is ready.
    """

    def run_with(fate, *, shards=4, workers=2, starts=(), stop=None):
        done, lives = [], itertools.chain(starts, itertools.repeat(True))

        class ScriptedWorker:
            def __init__(self, function):
                self.pipe, self.theirs = multiprocessing.Pipe()
                self.progress = (-1, 0)
                if next(lives):
                    self.theirs.send((READY, None))
                else:
                    self.theirs.close()

            def send(self, task):
                end = fate(task)
                if end == "done":
                    done.append(task)
                    self.theirs.send((DONE, {"number": task.number}))
                elif end == "failed":
                    self.theirs.send((FAILED, OSError("the disk is full")))
                else:
                    self.progress = (end, 0)
                    self.theirs.close()

            def receive(self):
                try:
                    return self.pipe.recv()
                except EOFError as error:
                    raise WorkerDiedError("died") from error

            def cause_of_death(self):
                return "signal 9, Killed"

            def end(self):
                self.pipe.close()
                self.theirs.close()

        monkeypatch.setattr(engine, "Worker", ScriptedWorker)
        monkeypatch.setattr(engine, "_PAUSE", 0.0)
        records = tuple(ImageRecord(str(number), f"{number}.jpg", "folder") for number in range(PHOTOGRAPHS))
        tasks = (ShardTask(number, Path(), records, Settings(load_recipe("clean")), {}) for number in range(shards))
        finished = list(run_tasks(tasks, workers=workers, stop=Stop() if stop is None else stop, tick=lambda _: None))
        assert sorted(event.number for event in finished) == sorted(task.number for task in done)
        return done

    return run_with


def dies(*deaths):
    """A fate: the worker of shard ``number`` dies at ``position`` as often as (number, position) is given."""
    left = list(deaths)

    def fate(task):
        for death in left:
            if death[0] == task.number and death[1] not in task.crashed_on:
                left.remove(death)
                return death[1]
        return "done"

    return fate


def test_a_photograph_is_left_out_after_two_deaths_while_no_other_worker_runs(run):
    done = run(dies(*[(1, 2)] * 10))
    assert {task.number: set(task.crashed_on) for task in done} == {0: set(), 1: {2}, 2: set(), 3: set()}
    assert done[-1].number == 1, "the suspect runs after all others"


def test_several_photographs_of_a_shard_are_left_out_one_by_one(run):
    done = run(dies(*[(0, 0)] * 10, *[(0, 1)] * 10, *[(0, 2)] * 10))
    assert {task.number: set(task.crashed_on) for task in done} == {0: {0, 1, 2}, 1: set(), 2: set(), 3: set()}


@pytest.mark.parametrize("deaths", [[(1, 2), (1, 2)], [(1, 0), (1, 1), (1, 2), (1, 0)], [(0, 1), (1, 1), (2, 1), (3, 1)]])
def test_a_photograph_is_not_blamed_for_one_death_alone(run, deaths):
    done = run(dies(*deaths))
    assert sorted(task.number for task in done) == [0, 1, 2, 3]
    assert not any(task.crashed_on for task in done)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_deaths_before_a_task_has_begun_are_nobody_s_fault(run, workers, number):
    done = run(dies(), workers=workers, starts=[False] * number)
    assert sorted(task.number for task in done) == [0, 1, 2, 3]
    assert not any(task.crashed_on for task in done)


def test_deaths_with_a_finished_shard_between_them_never_end_the_run(run):
    deaths = [(number, PHOTOGRAPHS) for number in range(100)]
    assert len(run(dies(*deaths), shards=100)) == 100
    assert len(run(dies(*[(number, -1) for number in range(100) for _ in range(9)]), shards=100, workers=1)) == 100


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_that_all_die_before_they_begin_end_the_run(run, workers):
    said = rf"^{10 * workers} worker processes died.*before it began shard \d \(signal 9, Killed\)"
    with pytest.raises(BlurkitError, match=said):
        run(dies(), workers=workers, starts=[False] * 1000)


def test_a_shard_that_can_never_be_written_ends_the_run(run):
    with pytest.raises(BlurkitError, match=r"^10 worker processes died.*while it wrote shard 2.*fewer --workers"):
        run(dies(*[(2, PHOTOGRAPHS)] * 1000))


def test_an_error_of_a_task_is_raised(run):
    with pytest.raises(OSError, match="the disk is full"):
        run(lambda task: "failed" if task.number == 2 else "done")


def test_after_a_stop_what_was_begun_is_finished_and_nothing_more(run):
    stop = Stop()

    def fate(task):
        stop.signal = 15 if task.number == 5 else stop.signal
        return "done"

    assert [task.number for task in run(fate, shards=20, stop=stop)] == [0, 1, 2, 3, 4, 5]


def test_after_a_stop_a_worker_that_dies_is_not_replaced(run):
    stop = Stop()

    def fate(task):
        stop.signal = 15 if task.number == 3 else stop.signal
        return 1 if task.number == 3 else "done"

    assert [task.number for task in run(fate, workers=1, shards=20, stop=stop)] == [0, 1, 2]


def test_processors_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert available_cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert available_cpus() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus() == 1
