"""Tests which photograph is left out if a worker dies, and how many processors are counted."""

import os
from pathlib import Path

import pytest

from blurkit.errors import BlurkitError
from blurkit.pipeline.engine import _without, available_cpus
from blurkit.pipeline.settings import Settings
from blurkit.pipeline.task import ShardTask
from blurkit.recipes.load import load_recipe
from blurkit.sources import ImageRecord


@pytest.fixture
def task():
    records = tuple(ImageRecord(str(number), f"{number}.jpg", "folder") for number in range(3))
    return ShardTask(7, Path(), records, Settings(load_recipe("clean")), {})


def test_the_photograph_at_work_is_left_out(task):
    assert _without(task, 1).crashed_on == {1}
    assert _without(_without(task, 1), 2).crashed_on == {1, 2}


@pytest.mark.parametrize(("position", "when"), [(-1, "before it began shard 7"), (3, "while it wrote shard 7")])
def test_a_death_that_no_photograph_explains_ends_the_run(task, position, when):
    with pytest.raises(BlurkitError, match=when):
        _without(task, position)


def test_processors_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert available_cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert available_cpus() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus() == 1
