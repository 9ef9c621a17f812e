"""Makes the same shards twice: without disturbance, and in child processes that are killed at each system call in turn.

test_commits.py and test_system_calls.py run it. It prints the calls of one shard's commit as JSON. There are two killed shards
for each of these calls: one is killed before the call, the other after the call, or after half of a write.
"""

import json
import os
import signal
import sys
from pathlib import Path

from blurkit.pipeline.choices import Choices
from blurkit.pipeline.plan import check_or_write_plan
from blurkit.pipeline.seal import seal
from blurkit.pipeline.task import make_shard

CALLS = ("open", "write", "pwrite", "ftruncate", "fchmod", "fsync", "close", "rename", "unlink")


def main(source, calm, out, *, traced=False):
    """Make a whole dataset in ``calm``, and in ``out`` a shard that is whole and two that are not for each of its calls.

    With ``traced``, strace kills a shard before each of its calls, so that one shard is not whole for each call.
    """
    plan = Choices(src=(source,), size="64", recipe="clean", settings=("shard_bytes=100000",)).plan()
    for folder in (calm, out):
        folder.mkdir()
        check_or_write_plan(folder, plan)
    for task in plan.tasks(calm, range(len(plan.shards))):
        make(task)
    seal(calm, plan)
    tasks = plan.tasks(out, range(len(plan.shards)))
    if traced:
        kill_traced(tasks, out)
        return
    calls = list_calls(next(tasks))
    for number in range(len(calls)):
        for halfway in (False, True):
            kill_at(number, next(tasks), halfway=halfway)
    print(json.dumps(calls))


def kill_traced(tasks, out):
    """Make one shard, and kill the next at its first system call, the one after it at its second, and so on."""
    from traced import kill_at, list_calls  # here, since the other kills need no strace

    task = next(tasks)
    calls = list_calls(lambda: make(task), out)
    for name, before, _ in calls:
        task = next(tasks)
        kill_at(lambda: make(task), name, before)  # noqa: B023
    print(json.dumps([line for *_, line in calls]))


def make(task):
    """Make a shard without telling anybody how far it is."""
    make_shard(task, lambda *_: None)


def list_calls(task):
    """Make a shard; its system calls, each with the name of the file."""
    calls = []

    def note(name, place, call):
        calls.append((name, place.name))
        return call()

    with_calls(task.folder, note, lambda: make(task))
    return calls


def kill_at(number, task, *, halfway):
    """Make a shard in a child that is killed at one of its calls."""
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return
    before = iter(range(number))

    def count(name, place, call):
        if next(before, None) is not None:
            return call()
        if halfway:
            call(part=name in ("write", "pwrite"))
        os.kill(os.getpid(), signal.SIGKILL)

    with_calls(task.folder, count, lambda: make(task))
    os._exit(0)


def with_calls(folder, answer, work):
    """Have every call on the folder, or on a file somewhere in it, go through ``answer(name, path, call)`` while work is done."""

    def wrap(name, original):
        def wrapped(*arguments, **named):
            def call(part=False):
                if part:
                    return original(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], *arguments[2:])
                return original(*arguments, **named)

            target = arguments[1] if name == "rename" else arguments[0]
            place = Path(os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else target)
            return answer(name, place, call) if folder in (place, *place.parents) else call()

        return wrapped

    originals = {name: getattr(os, name) for name in CALLS}
    for name, original in originals.items():
        setattr(os, name, wrap(name, original))
    work()
    for name, original in originals.items():
        setattr(os, name, original)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:4]), traced="traced" in sys.argv[4:])
