"""Running shard tasks in local processes: one shard a task, one thread each, no pixels between processes.

Workers are spawned, die with their parent, and are replaced when they die. A photograph on which a worker dies again and again
is left out, with a line of the ledger; one that died with it by chance is made when its shard is run again by itself.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

from blurkit.errors import BlurkitError
from blurkit.pipeline.task import ShardTask, make_shard
from blurkit.program.signals import Stop, holding_signals, ignore_signals

#: Deaths of a worker on one photograph, with no other work in the pool, after which the photograph is to blame.
_BLAME = 2
_TICK = 0.1

#: Environment variables that keep numerical libraries to one thread; read when a worker imports them.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

#: Called now and then with the number of samples decided in the shards that are being made.
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Finished:
    """A shard that was made: its number, its completion record, and how many samples were decided (made or given up)."""

    number: int
    record: dict[str, Any]
    samples: int


def available_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(tasks: Iterable[ShardTask], *, workers: int, stop: Stop, tick: Tick) -> Iterator[Finished]:
    """Make shards in ``workers`` processes and yield each as it is committed; after a stop, those that were under way."""
    waiting = iter(tasks)
    suspects: collections.deque[ShardTask] = collections.deque()
    deaths: collections.Counter[tuple[int, int]] = collections.Counter()
    while not stop:
        alone = bool(suspects)  # after a death, those that ran are run again one by one, to find out whose fault it was
        batch = iter([suspects.popleft()]) if alone else waiting
        with _Pool(1 if alone else workers) as pool:
            yield from pool.run(batch, stop, tick)
        if not pool.broken:
            if not suspects and not alone:
                return
            continue
        for task, position in pool.unfinished():
            if alone:
                deaths[task.number, position] += 1
                if deaths[task.number, position] >= _BLAME:
                    task = _without(task, position)
            suspects.append(task)


def _without(task: ShardTask, position: int) -> ShardTask:
    if not 0 <= position < len(task.records):
        when = "before it began" if position < 0 else "while it wrote"
        raise BlurkitError(
            f"a worker process died {_BLAME} times {when} shard {task.number}: out of memory, or the installation is broken; "
            "try fewer --workers or a smaller shard_bytes"
        )
    return replace(task, crashed_on=task.crashed_on | {position})


class _Pool:
    """A process pool and a board in shared memory where each running task notes how far it is. No lock: a killed worker would
    take it along."""

    def __init__(self, workers: int) -> None:
        self.broken = False
        self._running: dict[Future[dict[str, Any]], tuple[ShardTask, int]] = {}
        self._free = list(range(workers))
        context = multiprocessing.get_context("spawn")
        with holding_signals():  # the first shared memory starts a helper process of multiprocessing's own
            self.board = context.RawArray("q", [-1, 0] * workers)  # per slot: position of the record at work, samples decided
            self._executor = ProcessPoolExecutor(workers, context, _start_worker, (self.board, os.getpid()))

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *error: object) -> None:
        # Whoever is still at work leaves at most a temporary file. In a broken pool he may wait for good for a lock that a dead
        # worker holds, and the pool's own SIGTERM is ignored.
        if self.broken or error[0] is not None:
            for process in list((self._executor._processes or {}).values()):
                process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, tasks: Iterator[ShardTask], stop: Stop, tick: Tick) -> Iterator[Finished]:
        """Keep every worker busy until the tasks end, the pool breaks, or a signal stops the run."""
        while True:
            with _one_thread(), holding_signals():
                while self._free and not stop and not self.broken and (task := next(tasks, None)):
                    self._submit(task)
            if not self._running or self.broken:
                return
            done, _ = wait(self._running, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                yield from self._collect(future)
            tick(sum(self.board[2 * slot + 1] for _, slot in self._running.values()))

    def unfinished(self) -> list[tuple[ShardTask, int]]:
        """Tasks that were running when the pool broke, each with the position of the record at work, -1 before the first."""
        return [(task, self.board[2 * slot]) for task, slot in self._running.values()]

    def _submit(self, task: ShardTask) -> None:
        slot = self._free.pop()
        self.board[2 * slot], self.board[2 * slot + 1] = -1, 0
        try:
            self._running[self._executor.submit(_run, task, slot)] = (task, slot)
        except BrokenProcessPool:
            self.broken = True
            self._running[Future()] = (task, slot)

    def _collect(self, future: Future[dict[str, Any]]) -> Iterator[Finished]:
        task, slot = self._running[future]
        try:
            record = future.result()
        except BrokenProcessPool:
            self.broken = True
            return
        del self._running[future]
        self._free.append(slot)
        yield Finished(task.number, record, len(task.records) * task.settings.per_image)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ[name] for name in _ONE_THREAD if name in os.environ}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name in _ONE_THREAD:
            del os.environ[name]
        os.environ.update(before)


_board: Any = None


def _start_worker(board: Any, parent: int) -> None:
    global _board
    _board = board
    ignore_signals()
    _die_with(parent)
    import cv2

    cv2.setNumThreads(1)


def _die_with(parent: int) -> None:
    """Ask Linux for SIGKILL when the parent dies; elsewhere a worker ends when it next waits for work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def _run(task: ShardTask, slot: int) -> dict[str, Any]:
    def report(position: int, decided: int) -> None:
        _board[2 * slot], _board[2 * slot + 1] = position, decided

    return make_shard(task, report)
