"""Compares the files that describe a dataset with one another: index, completion records, ledger, plan and card.

Older datasets have no checksums of these files. Then only what several files say is compared. Files that are missing are a
problem only if the index says that they were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blurkit.errors import UnreadableFileError, UsageError
from blurkit.program.documents import parse_document
from blurkit.program.files import read_regular
from blurkit.report.card.describe import card_keys
from blurkit.report.card.stamp import NONE, read_stamp
from blurkit.shard.documents import (
    CARD,
    CROISSANT,
    EXAMPLES,
    INDEX,
    LEDGER,
    PLAN,
    check_failure,
    load_record,
    read_plan,
    record_path,
    sealed,
    shard_number,
    unknown_entries,
)
from blurkit.shard.ledger import Failure, count_failures

#: A larger ledger is not read.
_MOST_BYTES = 1 << 30

#: (file name, problem)
Finding = tuple[str, str]


def audit(folder: Path, index: dict[str, Any]) -> list[Finding]:
    """What the index of a complete dataset and the files beside it say differently."""
    findings = [*_index(index), *_checksums(folder, index)]
    records, problems = _records(folder, index)
    findings += problems
    ledger, problems = _ledger(folder, index)
    findings += problems
    if records is not None and ledger is not None:
        left_out = [failure for failure in ledger if failure.stage != "source"]
        if [failure for record in records for failure in map(check_failure, record["failures"])] != left_out:
            findings.append((LEDGER, "its lines are not the failures in the completion records"))
    if ledger is not None:
        findings += _counts(index, ledger)
    findings += _plan(folder, index)
    return list(dict.fromkeys(findings))


def notices(folder: Path, index: dict[str, Any]) -> tuple[list[Finding], list[str]]:
    """Problems of the files that describe the dataset to people, and sentences about those that somebody changed, which is
    allowed."""
    ledger, _ = _ledger(folder, index)
    keys, findings, sentences = card_keys(index, ledger or []), [], []
    for name in (CARD, EXAMPLES, CROISSANT):
        stamp = read_stamp(folder / name)
        if stamp is None or stamp == NONE:
            continue
        if not stamp.whole:
            sentences.append(f"{name}: it is not what blurkit wrote: somebody changed it, which is allowed, or it is damaged")
        elif ledger is not None and stamp.key not in keys:
            findings.append((name, "it describes another dataset; delete it and run the same `blurkit generate` again"))
    return findings, sentences


def _index(index: dict[str, Any]) -> Iterator[Finding]:
    if "check" in index and sealed(index)["check"] != index["check"]:
        yield INDEX, "its bytes are not those that were written (check)"
    elif "check" not in index and "files" in index:
        yield INDEX, "it has no check of itself"
    elif "check" not in index and unknown_entries(index):
        yield INDEX, f"it has an unknown entry {unknown_entries(index)[0]!r}"
    for key in ("samples", "bytes"):
        total = sum(record[key] for record in index["shards"])
        if index.get(key, total) != total:
            yield INDEX, f"it says {index[key]:,} {key}, its shards have {total:,}"


def _checksums(folder: Path, index: dict[str, Any]) -> Iterator[Finding]:
    """Files whose bytes are not those that the index was written with."""
    for name in (PLAN, LEDGER):
        if name in index.get("files", {}):
            try:
                data = read_regular(folder / name, most=_MOST_BYTES, follow_links=False)
            except UnreadableFileError as error:
                yield name, str(error)
                continue
            if hashlib.sha256(data).hexdigest() != index["files"][name]:
                yield name, "its bytes are not those that were written (sha256)"


def _records(folder: Path, index: dict[str, Any]) -> tuple[list[dict[str, Any]] | None, list[Finding]]:
    """The completion records, or ``None`` if one is missing or wrong."""
    found, problems = [], []
    for position, listed in enumerate(index["shards"]):
        number = position if listed["file"] is None else shard_number(listed["file"])
        assert number is not None, "the index was checked when it was read"
        path = record_path(folder, number)
        try:
            record = load_record(folder, number)
        except UnreadableFileError as error:
            if error.reason != "missing" or "files" in index:
                problems.append(
                    (path.name, f"{error} The record of a shard is missing or wrong; run the same `blurkit generate` again")
                )
            continue
        differing = [key for key in listed if record.get(key) != listed[key]]
        if differing:
            problems.append((path.name, f"its {', '.join(differing)} are not those in {INDEX}"))
        found.append(record)
    whole = len(found) == len(index["shards"]) and not problems
    return (found if whole else None), problems


def _ledger(folder: Path, index: dict[str, Any]) -> tuple[list[Failure] | None, list[Finding]]:
    """The lines of the ledger, or ``None`` if they cannot be read."""
    try:
        data = read_regular(folder / LEDGER, most=_MOST_BYTES, follow_links=False)
    except UnreadableFileError as error:
        return None, [(LEDGER, str(error))] if error.reason != "missing" or "files" in index else []
    failures = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            failures.append(check_failure(parse_document(line)))
        except UnreadableFileError as error:
            return None, [(LEDGER, f"line {number}: {error}")]
    return failures, []


def _counts(index: dict[str, Any], ledger: list[Failure]) -> Iterator[Finding]:
    """Samples made and left out add up to those planned."""
    left_out = count_failures(ledger)
    for key, count in left_out.items():
        if index.get(key, count) != count:
            yield LEDGER, f"it counts {count:,} {key}, {INDEX} says {index[key]:,}"
    configuration, made = index.get("configuration", {}), sum(record["samples"] for record in index["shards"])
    if "images" in configuration and "per_image" in configuration:
        planned, total = configuration["images"] * configuration["per_image"], made + sum(left_out.values())
        if planned != total:
            numbers = f"{made:,} samples made and {total - made:,} left out are not the {planned:,} that were planned"
            yield INDEX, f"{numbers}; a line of {LEDGER} is missing or wrong"


def _plan(folder: Path, index: dict[str, Any]) -> Iterator[Finding]:
    try:
        plan = read_plan(folder)
    except UsageError as error:
        yield PLAN, str(error)
        return
    if plan is not None and json.dumps(plan["configuration"]) != json.dumps(index.get("configuration")):
        yield PLAN, f"its configuration is not that in {INDEX}"
