"""``blurkit export``: writes the pairs of a dataset in the format of another program."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from blurkit.commands.outcome import nothing_stored
from blurkit.errors import OK
from blurkit.export import FORMATS, Exporter, Job, export
from blurkit.export.card import card_files, pairs_by_licence, write_card
from blurkit.export.exporter import Part
from blurkit.export.run import missing_parts
from blurkit.export.state import check_or_write_plan, make_state, plan_of
from blurkit.program.checks import one_of, require
from blurkit.program.files import remove_temporaries, require_space
from blurkit.program.locks import locked
from blurkit.program.progress import Progress, duration, plural
from blurkit.program.signals import Stop, stopping
from blurkit.program.workers import available_cpus
from blurkit.shard.index import Dataset, open_dataset

#: The files of the export are named after the split. HDF5 keys end in it, so it has no underscore.
_SPLIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export. The command line explains each of them."""

    to: str
    out: Path
    split: str | None = None
    truth: bool = False
    workers: int | None = None
    json: bool = False
    quiet: bool = False


def export_dataset(shards: str, options: ExportOptions) -> int:
    """Write the parts of an export that are missing. Returns the exit code."""
    one_of("--to", options.to, list(FORMATS))
    dataset = open_dataset(shards)
    if not len(dataset):
        raise nothing_stored(shards, dataset)
    job = Job(dataset, options.out, _split(dataset, options.split), options.truth)
    exporter, begin = FORMATS[options.to](job), time.monotonic()
    exporter.check()
    plan = plan_of(job, options.to)
    make_state(job)
    with stopping() as stop, locked(job.state / ".lock", what="export", option="-o or --split"):
        outputs = [*exporter.outputs(), *card_files(job)]
        check_or_write_plan(job, plan, outputs)
        remove_temporaries(options.out, {path.name for path in outputs}.__contains__)
        remove_temporaries(job.state, lambda _: True)
        missing = missing_parts(job, exporter)
        needed = sum(map(exporter.bytes_of, missing))
        require_space(options.out, needed, "free some space, or choose another -o")
        made = _make(job, exporter, missing, options, stop)
        exporter.finish()
        licences = pairs_by_licence(job)
        if made or not all(path.exists() for path in card_files(job)):
            write_card(job, plan, exporter.reading, licences)
    seconds = time.monotonic() - begin
    if options.json:
        counts = {"pairs": len(dataset), "written": made, "parts": len(job.parts), "licences": licences}
        place = {"out": str(options.out), "to": options.to, "split": job.split}
        print(json.dumps({**place, **counts, "seconds": round(seconds, 3)}, ensure_ascii=False))
    else:
        table, _, page = card_files(job)
        print(f"{options.out}: {plural(len(dataset), 'pair')} as {options.to}, {made:,} of them written in {duration(seconds)}")
        print(f"{table} has a line for each pair; {page} shows how to read them and what their licences allow")
    return OK


def _split(dataset: Dataset, asked: str | None) -> str:
    """The name of the split: as asked for, else that of the dataset, else ``train``."""
    own = dataset.index.get("configuration", {}).get("split")
    split = asked if asked is not None else own if own in ("train", "val", "test") else "train"
    require(_SPLIT.fullmatch(split) is not None, f"--split is a word of letters, digits and hyphens, got {split!r}")
    return split


def _make(job: Job, exporter: Exporter, missing: list[Part], options: ExportOptions, stop: Stop) -> int:
    """Write the missing parts. Returns the number of pairs. Raises if a signal ends the run before the last part."""
    pairs, done = sum(len(part.indices) for part in missing), 0
    workers = options.workers or available_cpus()
    with contextlib.closing(Progress(pairs, quiet=options.quiet)) as progress:

        def tick() -> None:
            progress.done += 1
            progress.show()

        for _ in export(job, exporter, missing, workers=workers, stop=stop, tick=tick):
            done += 1
    if stop and done < len(missing):
        raise stop.error(f"{done} of {plural(len(missing), 'part')} were written and are kept")
    return pairs
