"""Makes one shard, the unit of work. The content of a shard depends only on the plan and on the number of the shard."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blurkit.errors import BadImageError
from blurkit.pipeline.produce import Photograph, load_photograph, make_sample
from blurkit.pipeline.settings import Settings
from blurkit.program.files import append_line, write_atomic
from blurkit.shard.documents import LEDGER, record_path, shard_name
from blurkit.shard.format import Sample, digest_text
from blurkit.shard.ledger import Failure, stage_of
from blurkit.shard.writer import write_shard
from blurkit.sources.record import ImageRecord, path_id


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to make one shard. ``number``: of the shard. ``attributes``: of the shard's file. ``crashed_on``: the
    positions of records on which workers died. These records are left out."""

    number: int
    folder: Path
    records: tuple[ImageRecord, ...]
    settings: Settings
    attributes: dict[str, str | int]
    crashed_on: frozenset[int] = field(default_factory=frozenset)


#: A function that is called with the position of the current record, and the number of samples made or given up so far.
Report = Callable[[int, int], None]


def make_shard(task: ShardTask, report: Report) -> dict[str, Any]:
    """Makes and commits a shard, then its lines of the ledger, and last its completion record. Returns the record."""
    failures: list[Failure] = []
    name = shard_name(task.number)
    written = write_shard(task.folder / name, _samples(task, failures, report), attributes=task.attributes)
    for failure in failures:
        append_line(task.folder / LEDGER, failure.line())
    empty = {"file": None, "samples": 0, "bytes": 0, "sha256": None, "digest": digest_text(0)}
    made = {"file": name, **asdict(written)} if written else empty
    record = {**made, "failures": [asdict(failure) for failure in failures]}
    write_atomic(record_path(task.folder, task.number), json.dumps(record, ensure_ascii=False, indent=1).encode())
    return record


def _samples(task: ShardTask, failures: list[Failure], report: Report) -> Iterator[Sample]:
    per_image = task.settings.per_image
    for position, record in enumerate(task.records):
        report(position, position * per_image)
        lost = collections.Counter[tuple[str, str]]()  # (reason, message) -> samples
        try:
            if position in task.crashed_on:
                raise BadImageError("worker_died", "the worker process died on this photograph: killed, or out of memory")
            photograph = load_photograph(record, task.settings)
        except BadImageError as error:
            lost[error.reason, str(error)] = per_image
        else:
            yield from _variants(photograph, task.settings, lost)
        for (reason, message), items in lost.items():
            failures.append(Failure(record.id, path_id(record.path), stage_of(reason), reason, message, items))
    report(len(task.records), len(task.records) * per_image)


def _variants(photograph: Photograph, settings: Settings, lost: collections.Counter[tuple[str, str]]) -> Iterator[Sample]:
    for variant in range(settings.per_image):
        try:
            sample = make_sample(photograph, settings, variant)
        except BadImageError as error:
            lost[error.reason, str(error)] += 1
            continue
        if sample.objects.problems:
            lost["bad_annotation", "; ".join(sample.objects.problems)] += 0
        yield sample
