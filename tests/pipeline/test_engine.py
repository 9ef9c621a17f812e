"""The death of a worker: the photograph at work is left out, or the run ends."""

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


def test_there_is_a_processor():
    assert available_cpus() >= 1
