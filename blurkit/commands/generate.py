"""``blurkit generate``: makes shards of pairs from photographs."""

from __future__ import annotations

import collections
import contextlib
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurkit.errors import FAILED, OK, BadImageError, UsageError
from blurkit.pipeline.choices import Choices, parse_slice
from blurkit.pipeline.engine import available_cpus, run_tasks
from blurkit.pipeline.folder import clear, require_own_outputs
from blurkit.pipeline.plan import Plan, check_or_write_plan
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.seal import seal
from blurkit.program.files import make_folder, remove_temporaries, require_space
from blurkit.program.locks import locked
from blurkit.program.progress import Progress, data_size, duration, plural
from blurkit.program.signals import Stop, stopping
from blurkit.shard.documents import INDEX, LEDGER, is_written, read_record, record_path, shard_name
from blurkit.shard.ledger import count_failures, failures_of


@dataclass(frozen=True)
class GenerateOptions:
    """The options of a run that do not change a sample. The command line explains each of them."""

    out: Path
    workers: int | None = None
    slice: str | None = None
    dry_run: bool = False
    retry_failed: bool = False
    max_bad: str = "1%"
    overwrite: bool = False
    json: bool = False
    quiet: bool = False


def generate(choices: Choices, options: GenerateOptions) -> int:
    """Make the missing shards of a dataset. Returns the exit code: 1 if more pairs failed than ``max_bad`` allows."""
    tolerance = parse_max_bad(options.max_bad)
    share = parse_slice(options.slice)
    if options.overwrite and share is not None:
        raise UsageError("--overwrite and --slice cannot be combined: empty the folder first, with one run without --slice")
    workers = options.workers or available_cpus()
    plan = choices.plan()
    if not options.quiet:
        for notice in plan.notices():
            print(notice, file=sys.stderr)
    if options.dry_run:
        return _dry_run(plan, workers, options.json)
    begin = time.monotonic()
    make_folder(options.out)
    with stopping() as stop, _locks(options.out, share):
        if options.overwrite:
            clear(options.out)
        check_or_write_plan(options.out, plan)
        shards = range(len(plan.shards)) if share is None else range(share[0], len(plan.shards), share[1])
        own = {file for number in shards for file in (shard_name(number), record_path(options.out, number).name)}
        is_ours = is_written if share is None else own.__contains__
        remove_temporaries(options.out, is_ours)
        missing = [number for number in plan.left(options.out, retry_failed=options.retry_failed) if number in shards]
        require_own_outputs(options.out, missing)
        needed = math.ceil(plan.bytes * len(missing) / len(plan.shards))
        require_space(options.out, needed, "free some space, choose another --out, or make less (--limit, --per-image, --size)")
        _make(plan, missing, options, workers, stop)
        remove_temporaries(options.out, is_ours)  # files of workers that died
        index = seal(options.out, plan, lambda notice: print(notice, file=sys.stderr))
    summary = _summary(plan, options.out, shards, time.monotonic() - begin, index)
    print(json.dumps(summary, ensure_ascii=False) if options.json else _sentences(summary, options.out, share))
    return FAILED if summary["failed"] > tolerance(summary["pairs"]) else OK


def parse_max_bad(text: str) -> Callable[[int], float]:
    """Returns a function: number of planned pairs -> number of pairs that may fail. ``text``: such as ``"1%"`` or ``"20"``.

    Raises :class:`UsageError` if ``text`` is neither a share nor a number.
    """
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or (text.endswith("%") and value > 100):
        raise UsageError(f"--max-bad is a share such as 1% or a number of pairs, got {text!r}")
    return (lambda pairs: pairs * value / 100) if text.endswith("%") else (lambda pairs: value)


@contextlib.contextmanager
def _locks(folder: Path, share: tuple[int, int] | None) -> Iterator[None]:
    """Lock the folder. A run without --slice holds it alone. Slices with the same N share it, and each slice has only one run."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(folder / ".lock", shared=share is not None))
        if share is not None:
            own = folder / f".lock-of-{share[1]}"
            with locked(folder / ".lock-plan", wait=True):  # so that slices with different N cannot start together
                for other in folder.glob(".lock-of-*"):
                    with locked(other, shared=other == own):
                        pass
                stack.enter_context(locked(own, shared=True))
            stack.enter_context(locked(folder / f".lock-{share[0]}-of-{share[1]}"))
        yield


def _make(plan: Plan, missing: list[int], options: GenerateOptions, workers: int, stop: Stop) -> None:
    """Make the missing shards. Raises if a signal ends the run before the last shard."""
    if not missing:
        return
    (options.out / INDEX).unlink(missing_ok=True)
    for number in missing:  # a record must not describe a shard that is being replaced
        record_path(options.out, number).unlink(missing_ok=True)
    tasks, made = plan.tasks(options.out, missing), 0
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(contextlib.closing(Progress(_pairs(plan, missing), quiet=options.quiet)))
        run = run_tasks(tasks, workers=min(workers, len(missing)), stop=stop, tick=progress.show)
        for finished in stack.enter_context(contextlib.closing(run)):
            made += 1
            progress.done += finished.samples
            progress.show()
    if stop and made < len(missing):
        raise stop.error(f"{made} of {len(missing)} shards were finished and are kept")


def _pairs(plan: Plan, shards: Iterable[int]) -> int:
    """The number of pairs that are planned for these shards."""
    return sum(end - first for first, end in (plan.shards[number] for number in shards)) * plan.settings.per_image


def _summary(plan: Plan, folder: Path, shards: range, seconds: float, index: dict[str, Any] | None) -> dict[str, Any]:
    records = [record for record in (read_record(folder, number) for number in shards) if record]
    failures = failures_of(records)
    return {
        "out": str(folder),
        "images": len(plan.records),
        "pairs": _pairs(plan, shards),
        "made": sum(record["samples"] for record in records),
        **count_failures(failures),
        "passed_over": dict(collections.Counter(entry.reason for entry in plan.source.passed_over).most_common()),
        "incomplete": sum(failure.items == 0 for failure in failures),
        "shards": len(records),
        "bytes": sum(record["bytes"] for record in records),
        "seconds": round(seconds, 3),
        "complete": index is not None,
        "digest": index["digest"] if index else None,
    }


def _sentences(summary: dict[str, Any], folder: Path, share: tuple[int, int] | None) -> str:
    counts = f"{plural(summary['made'], 'pair')} in {plural(summary['shards'], 'shard')}"
    lines = [f"{folder}: {counts}, {data_size(summary['bytes'])}, after {duration(summary['seconds'])}"]
    if summary["failed"] or summary["skipped"]:
        lines.append(f"{summary['failed']} failed, {summary['skipped']} skipped: {folder / LEDGER} gives the reasons")
    if summary["incomplete"]:
        lines.append(f"{plural(summary['incomplete'], 'photograph')} used without some of their objects; see the ledger")
    if summary["passed_over"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in summary["passed_over"].items())
        lines.append(f"entries of the source that were passed over: {reasons}; see the ledger")
    if summary["complete"]:
        lines += [f"digest {summary['digest']}", f"look at it: blurkit preview {folder}    check it: blurkit verify {folder}"]
    elif share is not None:
        lines.append(f"slice {share[0]}/{share[1]} is done; the dataset is complete when all slices are done")
    return "\n".join(lines)


def _dry_run(plan: Plan, workers: int, as_json: bool) -> int:
    seconds = _seconds_per_pair(plan) * plan.pairs / workers
    if as_json:
        numbers = {"images": len(plan.records), "pairs": plan.pairs, "shards": len(plan.shards), "bytes": plan.bytes}
        print(json.dumps({**numbers, "minutes": round(seconds / 60, 2)}))
    else:
        print(
            f"{plural(len(plan.records), 'image')}, {plural(plan.pairs, 'pair')} in {plural(len(plan.shards), 'shard')}, about "
            f"{data_size(plan.bytes)}, about {duration(seconds)} with {plural(workers, 'worker')}; nothing was written"
        )
    return OK


def _seconds_per_pair(plan: Plan) -> float:
    """The time for a pair, measured on a few photographs after a first one that compiles; 0 if none of them can be used."""
    step = max(len(plan.records) // 4, 1)
    taken = []
    for record in (plan.records[0], *plan.records[::step][:4]):
        begin = time.perf_counter()
        with contextlib.suppress(BadImageError):
            count = sum(1 for _ in make_samples(record, plan.settings, range(min(plan.settings.per_image, 2))))
            taken.append((time.perf_counter() - begin) / count)
    return statistics.median_high(taken[1:]) if len(taken) > 2 else min(taken, default=0.0)
