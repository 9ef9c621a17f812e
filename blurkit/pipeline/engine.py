"""Runs shard tasks in local processes. A task makes one shard in one thread. No pixels pass between processes.

Workers are spawned. They die with their parent, and are replaced when they die. If workers die again and again on the same
photograph, this photograph is left out, with a line of the ledger. If a photograph was only at work while another one killed a
worker, it is made when its shard runs again on its own.
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

import cv2

from blurkit.errors import BlurkitError
from blurkit.pipeline.task import ShardTask, make_shard
from blurkit.program.signals import Stop, holding_signals, ignore_signals

#: A photograph is left out after this many deaths of a worker on it, while no other task was in the pool.
_MAX_DEATHS = 2

#: Seconds between two reports of progress.
_TICK = 0.1

#: Environment variables that limit numerical libraries to one thread. The libraries read them when a worker imports them.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

#: A function that is called regularly, with the number of samples that are made or given up in unfinished shards.
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Finished:
    """A finished shard: its number, its completion record, and the number of samples that were made or given up."""

    number: int
    record: dict[str, Any]
    samples: int


def available_cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(tasks: Iterable[ShardTask], *, workers: int, stop: Stop, tick: Tick) -> Iterator[Finished]:
    """Makes shards in ``workers`` processes, and yields each shard when it is committed. After a stop, no new shard is begun. The
    shards that were begun are finished and yielded."""
    waiting = iter(tasks)
    suspects: collections.deque[ShardTask] = collections.deque()
    deaths: collections.Counter[tuple[int, int]] = collections.Counter()
    while not stop:
        alone = bool(suspects)  # after a death, the unfinished tasks run one by one, to find the cause
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
                if deaths[task.number, position] >= _MAX_DEATHS:
                    task = _without(task, position)
            suspects.append(task)


def _without(task: ShardTask, position: int) -> ShardTask:
    """The task without a photograph. Raises :class:`BlurkitError` if no photograph was at work."""
    if not 0 <= position < len(task.records):
        moment = "before it began" if position < 0 else "while it wrote"
        raise BlurkitError(
            f"a worker process died {_MAX_DEATHS} times {moment} shard {task.number}: out of memory, or a broken installation; "
            "try fewer --workers or a smaller shard_bytes"
        )
    return replace(task, crashed_on=task.crashed_on | {position})


class _Pool:
    """A process pool, and a board in shared memory where each running task writes its progress. The board has no lock, because a
    killed worker would never release it."""

    def __init__(self, workers: int) -> None:
        self.broken = False
        self._running: dict[Future[dict[str, Any]], tuple[ShardTask, int]] = {}
        self._free = list(range(workers))
        context = multiprocessing.get_context("spawn")
        with holding_signals():  # the first shared memory starts a helper process of multiprocessing
            self.board = context.RawArray("q", [-1, 0] * workers)  # per slot: position of the record, samples made or given up
            self._executor = ProcessPoolExecutor(workers, context, _start_worker, (self.board, os.getpid()))

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *error: object) -> None:
        # A worker that is killed leaves at most a temporary file. In a broken pool, a worker may wait forever for a lock that a
        # dead worker holds, and it ignores the SIGTERM of the pool.
        if self.broken or error[0] is not None:
            for process in list((self._executor._processes or {}).values()):
                process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, tasks: Iterator[ShardTask], stop: Stop, tick: Tick) -> Iterator[Finished]:
        """Keeps every worker busy until the tasks end, the pool breaks, or a signal stops the run. Yields finished shards."""
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
        """The tasks that ran when the pool broke, each with the position of its current record, -1 before the first."""
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
    cv2.setNumThreads(1)


def _die_with(parent: int) -> None:
    """Asks Linux for SIGKILL when the parent dies. On other systems, a worker ends when it next waits for work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:  # the parent died before the request
        os._exit(1)


def _run(task: ShardTask, slot: int) -> dict[str, Any]:
    def report(position: int, decided: int) -> None:
        _board[2 * slot], _board[2 * slot + 1] = position, decided

    return make_shard(task, report)
