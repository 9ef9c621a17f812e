"""Seals a dataset: writes its index and its ledger when every shard is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blurkit.pipeline.plan import Plan
from blurkit.program.documents import MOST_BYTES
from blurkit.program.files import read_regular, write_atomic
from blurkit.report.card.describe import describe
from blurkit.shard.documents import INDEX, LEDGER, PLAN, read_record, sealed, total_digest
from blurkit.shard.ledger import count_failures, failures_of


def seal(folder: Path, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any] | None:
    """Writes the final ledger, the files that describe the dataset, and ``dataset.json``.

    Returns the index, which is the content of ``dataset.json``. Writes nothing and returns ``None`` if a shard is missing. The
    ledger of a run that was killed may contain a line twice. The final ledger is made from the completion records, in the order
    of the plan. No file depends on the time or on the process, so that slices that finish at the same time write equal files.
    ``dataset.json`` is written last, so that its presence means that nothing is missing. ``tell``: is called with sentences about
    files that are not overwritten.
    """
    records = [record for number in range(len(plan.shards)) if (record := read_record(folder, number))]
    if len(records) < len(plan.shards):
        return None
    failures = failures_of(records)
    ledger = (*plan.passed_over(), *failures)
    text = "".join(failure.line() + "\n" for failure in ledger).encode()
    write_atomic(folder / LEDGER, text)
    written = {PLAN: read_regular(folder / PLAN, most=MOST_BYTES, follow_links=False), LEDGER: text}
    index = {
        "format": "blurkit-dataset",
        "version": 1,
        "digest": total_digest(records),
        "samples": sum(record["samples"] for record in records),
        "bytes": sum(record["bytes"] for record in records),
        **count_failures(failures),
        "configuration": plan.configuration,
        "recipe": plan.settings.recipe.digest(),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in written.items()},
        "shards": [{key: value for key, value in record.items() if key != "failures"} for record in records],
    }
    for notice in describe(folder, index, ledger):
        tell(notice)
    write_atomic(folder / INDEX, json.dumps(sealed(index), ensure_ascii=False, indent=1).encode())
    return index
