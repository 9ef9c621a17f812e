"""``blurkit generate``: makes shards of pairs from photographs."""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blurkit.commands.outcome import outcome_of, parse_max_bad
from blurkit.commands.preview import planned, require_picture
from blurkit.errors import OK, BadImageError, BlurkitError, UsageError
from blurkit.pipeline.choices import Choices, parse_slice
from blurkit.pipeline.engine import run_tasks
from blurkit.pipeline.fit import Fit, require_fit
from blurkit.pipeline.folder import clear, require_own_outputs
from blurkit.pipeline.plan import Plan, check_or_write_plan
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.seal import seal
from blurkit.program.checks import require
from blurkit.program.files import make_folder, remove_temporaries, require_space
from blurkit.program.locks import locked
from blurkit.program.progress import Progress, data_size, duration, plural
from blurkit.program.signals import Stop, stopping
from blurkit.program.workers import available_cpus
from blurkit.report.sheet import draw_sheet
from blurkit.shard.documents import INDEX, is_written, record_path, shard_name

#: Pairs in the picture of a dry run.
_SHOWN = 2


@dataclass(frozen=True)
class GenerateOptions:
    """The options of a run that do not change a sample. The command line explains each of them."""

    out: Path
    workers: int | None = None
    slice: str | None = None
    dry_run: bool = False
    picture: Path | None = None
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
    if options.picture is not None:
        require(options.dry_run, "-o goes with --dry-run; `blurkit preview` draws the pairs of a dataset")
        require_picture(options.picture, overwrite=options.overwrite)
    workers = options.workers or available_cpus()
    plan = choices.plan()
    if not options.quiet:
        for notice in plan.notices():
            print(notice, file=sys.stderr)
    if options.dry_run:
        fit = require_fit(plan)
        if options.picture is not None:
            samples, title, subtitle = planned(plan, _SHOWN)
            draw_sheet(samples, options.picture, title=title, subtitle=subtitle)
        return _dry_run(plan, fit, workers, options)
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
    outcome = outcome_of(plan, options.out, shards, _pairs(plan, shards), time.monotonic() - begin, index)
    print(json.dumps(outcome.summary, ensure_ascii=False) if options.json else outcome.text(share))
    if fault := outcome.fault(tolerance):
        raise BlurkitError(fault)
    return OK


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


def _dry_run(plan: Plan, fit: Fit, workers: int, options: GenerateOptions) -> int:
    pairs, size = round(plan.pairs * fit.share), round(plan.bytes * fit.share)
    seconds = _seconds_per_pair(plan) * pairs / workers
    if options.json:
        numbers = {"images": len(plan.records), "pairs": pairs, "shards": len(plan.shards), "bytes": size}
        print(json.dumps({**numbers, "minutes": round(seconds / 60, 2)}))
        return OK
    about = "" if fit.share == 1 or fit.looked == len(plan.records) else "about "
    written = f"{options.picture} shows pairs, and nothing else was written" if options.picture else "nothing was written"
    print(
        f"{plural(len(plan.records), 'image')}, {about}{plural(pairs, 'pair')} in {plural(len(plan.shards), 'shard')}, about "
        f"{data_size(size)}, about {duration(seconds)} with {plural(workers, 'worker')}; {written}"
    )
    if fit.share < 1:
        looked = plural(fit.looked, "photograph")
        print(f"of {looked} that were looked at, {fit.small} are smaller than --size, and {fit.unreadable} cannot be read")
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
