"""Sealing a dataset: when every shard is complete, its index and its ledger are written, the same whoever finds it so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blurkit.pipeline.plan import Plan
from blurkit.program.files import write_atomic
from blurkit.report.card.describe import describe
from blurkit.shard.index import INDEX, LEDGER, read_record, total_digest
from blurkit.shard.ledger import count_failures, failures_of


def seal(folder: Path, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any] | None:
    """Write the final ledger, what describes the dataset, and ``dataset.json``, or return ``None`` where a shard is missing.

    The ledger of a run that was killed can hold a line twice; the final one is made from the completion records, in the order of
    the plan. Nothing in any file depends on time or on who writes it, so that slices that finish together write the same.
    ``dataset.json`` comes last: where it is, nothing is missing. ``tell`` takes sentences about files that are left as they are.
    """
    records = [record for number in range(len(plan.shards)) if (record := read_record(folder, number))]
    if len(records) < len(plan.shards):
        return None
    failures = failures_of(records)
    ledger = (*plan.passed_over(), *failures)
    write_atomic(folder / LEDGER, "".join(failure.line() + "\n" for failure in ledger).encode())
    index = {
        "format": "blurkit-dataset",
        "version": 1,
        "digest": total_digest(records),
        "samples": sum(record["samples"] for record in records),
        "bytes": sum(record["bytes"] for record in records),
        **count_failures(failures),
        "configuration": plan.configuration,
        "recipe": plan.settings.recipe.digest(),
        "shards": [{key: value for key, value in record.items() if key != "failures"} for record in records],
    }
    for notice in describe(folder, index, ledger):
        tell(notice)
    write_atomic(folder / INDEX, json.dumps(index, ensure_ascii=False, indent=1).encode())
    return index
