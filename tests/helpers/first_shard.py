"""The first shard of a plan, made in the process of the test."""

from pathlib import Path

from blurkit.pipeline.plan import Plan
from blurkit.pipeline.task import make_shard


def make_first_shard(plan: Plan, folder: Path) -> dict:
    """Make ``00000.h5`` in a folder, and return the record of its samples and failures."""
    return make_shard(next(plan.tasks(folder, [0])), lambda *_: None)
