"""Makes shards in local worker processes. A task makes one shard in one thread. No pixels pass between processes.

A worker that dies is replaced. If it died on a photograph, its shard is made again at the end, while no other worker runs. If a
worker dies again and again on the same photograph there, this photograph is left out, with a line of the ledger. Any other death
is nobody's fault: its shard is made again after a pause. The run is given up if too many workers die and no shard is finished.
"""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import Any

import cv2

from blurkit.errors import BlurkitError
from blurkit.pipeline.task import Report, ShardTask, make_shard
from blurkit.program.signals import Stop
from blurkit.program.workers import DONE, FAILED, Worker, WorkerDiedError

#: A photograph is left out after this many deaths of a worker on it, while no other worker ran.
_MAX_DEATHS = 2

#: A run is given up after this many deaths per worker without a photograph to blame and without a finished shard between them.
_MAX_FRUITLESS = 10

#: Seconds before a worker is replaced: after the first such death, and at most. The pause doubles with each death.
_PAUSE, _LONGEST_PAUSE = 0.1, 3.0

#: Seconds between two reports of progress.
_TICK = 0.1

#: A function that is called regularly, with the number of samples that are made or given up in unfinished shards.
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Finished:
    """A finished shard: its number, its completion record, and the number of samples that were made or given up."""

    number: int
    record: dict[str, Any]
    samples: int


@dataclass(frozen=True)
class _Death:
    """A worker died on a record of a task, or while it wrote the shard; then ``position`` is the number of records."""

    task: ShardTask
    position: int
    cause: str


def run_tasks(tasks: Iterable[ShardTask], *, workers: int, stop: Stop, tick: Tick) -> Generator[Finished, None, None]:
    """Makes shards in ``workers`` processes, and yields each shard when it is committed. After a stop, no new shard is begun. The
    shards that were begun are finished and yielded. If this iterator is closed early, the workers end at once."""
    suspects: collections.deque[ShardTask] = collections.deque()
    with _Crew(workers, stop) as crew:
        for event in crew.run(iter(tasks), tick):
            if isinstance(event, Finished):
                yield event
            else:
                suspects.append(event.task)
    deaths: collections.Counter[tuple[int, int]] = collections.Counter()
    with _Crew(1, stop) as crew:
        for event in crew.run(_taken_from(suspects), tick):
            if isinstance(event, Finished):
                yield event
                continue
            deaths[event.task.number, event.position] += 1
            if event.position == len(event.task.records):
                crew.endure(event.cause, f"while it wrote shard {event.task.number}")
                suspects.appendleft(event.task)
            else:
                again = deaths[event.task.number, event.position] < _MAX_DEATHS
                suspects.appendleft(event.task if again else without(event.task, event.position))


def _taken_from(suspects: collections.deque[ShardTask]) -> Iterator[ShardTask]:
    while suspects:
        yield suspects.popleft()


def without(task: ShardTask, position: int) -> ShardTask:
    """The task without the photograph at this position."""
    return replace(task, crashed_on=task.crashed_on | {position})


def make_shard_alone(task: ShardTask, report: Report) -> dict[str, Any]:
    """:func:`blurkit.pipeline.task.make_shard` with OpenCV on one thread, for a worker."""
    cv2.setNumThreads(1)
    return make_shard(task, report)


@dataclass
class _Seat:
    """The place of one worker. ``task``: what it makes, or will make when it is ``ready``. ``begun``: the task was sent to it.
    ``due``: when a missing worker may be started, in seconds of the monotonic clock."""

    worker: Worker | None = None
    ready: bool = False
    task: ShardTask | None = None
    begun: bool = False
    due: float = 0.0


class _Crew:
    """Seats of workers. Workers start when there are tasks for them, and end with the block."""

    def __init__(self, workers: int, stop: Stop) -> None:
        self._seats = [_Seat() for _ in range(workers)]
        self._stop = stop
        self._fruitless = 0  # deaths that no photograph explains, since the last finished shard

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for seat in self._seats:
            if seat.worker is not None:
                seat.worker.end()

    def run(self, tasks: Iterator[ShardTask], tick: Tick) -> Iterator[Finished | _Death]:
        """Keeps every worker busy until the tasks end or a signal stops the run. Yields finished shards, and deaths that the task
        may explain; the task is then no longer in the crew. Raises the error of a task."""
        while True:
            for seat in self._seats:
                self._fill(seat, tasks)
            if not any(seat.task for seat in self._seats):
                return
            seats = {seat.worker.pipe: seat for seat in self._seats if seat.worker}
            for pipe in wait(list(seats), timeout=_TICK):
                yield from self._hear(seats[pipe])  # type: ignore[index]  # a pipe, as it was given
            tick(sum(seat.worker.progress[1] for seat in self._seats if seat.worker and seat.begun))

    def endure(self, cause: str, moment: str) -> None:
        """Count a death that no photograph explains. Raises :class:`BlurkitError` if there are too many."""
        self._fruitless += 1
        if self._fruitless >= _MAX_FRUITLESS * len(self._seats):
            raise BlurkitError(
                f"{self._fruitless} worker processes died, and no shard was finished between them; the last one died {moment} "
                f"({cause}): out of memory, or a broken installation; try fewer --workers or a smaller shard_bytes"
            )

    def _fill(self, seat: _Seat, tasks: Iterator[ShardTask]) -> None:
        """Give a seat a task and a worker, if it has none."""
        if self._stop:
            seat.task = seat.task if seat.begun else None
        elif seat.task is None:
            seat.task = next(tasks, None)
            if seat.ready:
                self._begin(seat)
        if seat.task is not None and seat.worker is None and time.monotonic() >= seat.due:
            seat.worker = Worker(make_shard_alone)

    def _begin(self, seat: _Seat) -> None:
        if seat.task is not None and seat.worker is not None and not self._stop:
            seat.begun = True
            with contextlib.suppress(WorkerDiedError):  # its pipe tells this too
                seat.worker.send(seat.task)

    def _hear(self, seat: _Seat) -> Iterator[Finished | _Death]:
        assert seat.worker is not None
        try:
            kind, value = seat.worker.receive()
        except WorkerDiedError:
            yield from self._bury(seat, seat.worker)
            return
        if kind == FAILED:
            raise value
        if kind == DONE and seat.task is not None:
            task, seat.task, seat.begun, self._fruitless = seat.task, None, False, 0
            yield Finished(task.number, value, len(task.records) * task.settings.per_image)
        else:
            seat.ready = True
            self._begin(seat)

    def _bury(self, seat: _Seat, worker: Worker) -> Iterator[_Death]:
        task, position = seat.task, worker.progress[0] if seat.begun else -1
        cause = worker.cause_of_death()
        seat.worker, seat.ready, seat.begun = None, False, False
        if task is not None and position >= 0:
            seat.task = None
            yield _Death(task, position, cause)
        else:
            self.endure(cause, "while it waited for work" if task is None else f"before it began shard {task.number}")
        if self._fruitless:
            doublings = (self._fruitless - 1) // len(self._seats)
            seat.due = time.monotonic() + min(_PAUSE * 2**doublings, _LONGEST_PAUSE)
