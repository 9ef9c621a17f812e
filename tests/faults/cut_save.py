"""Saves a checkpoint in child processes that strace kills at each system call in turn. test_system_calls.py runs it.

It prints the calls of one save as JSON.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from traced import kill_at, list_calls

from trainer.training import checkpoint
from trainer.training.checkpoint import Checkpoint, Origin


def state(step):
    """A checkpoint of a step; its tensor holds the number of the step."""
    return Checkpoint(
        Origin("recipe", "data", "cpu", 1, 4, 1, 1), step, 4 * step, {"best": 1.0}, {"weights": torch.full((5000,), float(step))}
    )


def main(place):
    """Make a run with the checkpoints 1 and 2, and kill the save of checkpoint 3 at each of its calls."""
    begun = place / "begun"
    for step in (1, 2):
        checkpoint.save(begun, state(step))
    shutil.copytree(begun, place / "whole")
    calls = list_calls(lambda: checkpoint.save(place / "whole", state(3)), place)
    check(place / "whole", [3])
    outcomes = []
    for number, (name, before, _) in enumerate(calls):
        out = shutil.copytree(begun, place / f"run-{number}")
        kill_at(lambda: checkpoint.save(out, state(3)), name, before)  # noqa: B023
        outcomes.append(check(out, [2, 3]))
        checkpoint.clean(out, after=outcomes[-1])
        assert not list(out.rglob("*.tmp"))
        checkpoint.save(out, state(3))
        check(out, [3])
    assert outcomes == sorted(outcomes), "once a checkpoint is there, it stays"
    assert set(outcomes) == {2, 3}, "some kills came before the commit, some after"
    print(json.dumps([line for *_, line in calls]))


def check(out, steps):
    """Every checkpoint with a final name is whole, and the newest is one of these. Returns the newest."""
    for path in checkpoint.list_checkpoints(out):
        found = checkpoint.load(path)
        assert (found.state["weights"] == found.step).all()
        assert found.step == int(path.stem)
    newest = checkpoint.newest(out).step
    assert newest in steps, (newest, steps)
    return newest


if __name__ == "__main__":
    main(Path(sys.argv[1]))
