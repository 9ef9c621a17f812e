"""Trains twice: without disturbance, and in child processes that are killed at each system call after the last step.

test_trainings.py runs it. It prints the system calls as JSON, and for each kill the files that differ at the end.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import matplotlib.pyplot  # noqa: F401  # loaded once, before the children are forked
import torch
from cut_off import with_calls
from same_runs import differing_files
from tiny_runs import RECIPE, write_pairs, write_recipe

from trainer.commands.run import RunOptions, run
from trainer.evaluation import curves, pictures  # noqa: F401

STEPS = 4


def main(place, every):
    """Write two runs per kill to the folder ``place``. Of the calls, each ``every``-th is cut off."""
    torch.set_num_threads(1)
    write_pairs(place)
    text = RECIPE.replace("steps = 9", f"steps = {STEPS}").replace("checkpoint_every = 3", "checkpoint_every = 2")
    text = text.replace("log_every = 2", "log_every = 3").replace("validate_every = 4", "validate_every = 2")
    write_recipe(place, text)
    in_child(lambda: train(place, place / "calm"))
    in_child(lambda: stop_at_half(place, place / "half"), signal.SIGKILL)
    listed = place / "calls.json"
    shutil.copytree(place / "half", place / "counted")
    in_child(lambda: listed.write_text(json.dumps(list_calls(place, place / "counted"))))
    calls = json.loads(listed.read_text())
    kills = [(number, half) for number, (name, _) in enumerate(calls) for half in (False, True) if name == "write" or not half]
    problems = {}
    for number, half in kills[::every]:
        out = place / f"{number}-{half}"
        shutil.copytree(place / "half", out)
        in_child(lambda: kill_at(number, place, out, half=half), signal.SIGKILL)  # noqa: B023
        in_child(lambda: train(place, out))  # noqa: B023
        if differing := differing_files(out, place / "calm"):
            problems[f"{number} {calls[number]} {half}"] = differing
        shutil.rmtree(out)
    print(json.dumps({"calls": calls, "kills": len(kills[::every]), "problems": problems}))


def train(place, out):
    given = {"data": (place / "00000.h5",), "val": (), "weight": (), "recipe": str(place / "tiny.toml"), "settings": ()}
    run(RunOptions(**given, out=out, device="cpu", resume="auto", json=True, quiet=True))


def in_child(work, number=0):
    """Do something in a child process. ``number``: the signal that it is to die of."""
    child = os.fork()
    if not child:
        sys.stdout = sys.stderr  # the output of this program is JSON
        work()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number


def stop_at_half(place, out):
    """Train until the first checkpoint is complete in all its files, then die."""

    def answer(name, path, call):
        if path.name.startswith("00000004.ckpt") or (name == "write" and '"step": 3' in path.read_text(errors="replace")):
            os.kill(os.getpid(), signal.SIGKILL)
        return call()

    with_calls(out, answer, lambda: train(place, out))


def list_calls(place, out):
    calls = []

    def note(name, path, call):
        calls.append((name, str(path.relative_to(out))))
        return call()

    with_calls(out, note, lambda: train(place, out))
    return calls


def kill_at(number, place, out, *, half):
    before = iter(range(number))

    def count(name, path, call):
        if next(before, None) is not None:
            return call()
        if half:
            call(part=True)
        return os.kill(os.getpid(), signal.SIGKILL)

    with_calls(out, count, lambda: train(place, out))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
