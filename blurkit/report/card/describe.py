"""Writing what a dataset says of itself beside its shards, and leaving alone what others have written there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blurkit.program.files import write_atomic
from blurkit.report.card.croissant import croissant
from blurkit.report.card.examples import draw_examples
from blurkit.report.card.facts import gather
from blurkit.report.card.stamp import NONE, Stamp, key_of, read_stamp, stamped
from blurkit.report.card.text import card
from blurkit.shard.index import CARD, CROISSANT, EXAMPLES, Dataset
from blurkit.shard.ledger import Failure, left_out


def describe(folder: Path, index: dict[str, Any], failures: Sequence[Failure]) -> list[str]:
    """Write ``croissant.json``, ``examples.jpg`` and ``README.md``, unless they were written for this very dataset.

    ``index``: what ``dataset.json`` will hold. ``failures``: the lines of its ledger. Files of these names that blurkit did not
    write, or that somebody has changed since, stay as they are. Returns a sentence for each of them that may not fit the dataset.

    Raises :class:`blurkit.errors.CorruptShardError` where a shard is damaged.
    """
    # Read once each: another slice may write them at any moment.
    found = {name: read_stamp(folder / name) for name in (CROISSANT, EXAMPLES, CARD)}
    kept = {name: stamp for name, stamp in found.items() if stamp is not None and not stamp.whole}
    pictured = bool(index["samples"]) and EXAMPLES not in kept
    rows = [[*reason, *counts] for reason, counts in left_out(failures).items()]
    key = key_of(json.dumps([index, rows, pictured]).encode())
    wanted = {CROISSANT, CARD, *([EXAMPLES] if pictured else [])} - kept.keys()
    if not all(stamp is not None and stamp.key == key for name, stamp in found.items() if name in wanted):
        _write(folder, index, failures, wanted, key)
    if EXAMPLES not in wanted | kept.keys():
        (folder / EXAMPLES).unlink(missing_ok=True)
    return [_notice(folder / name, stamp) for name, stamp in kept.items() if stamp.key != key]


def remove_description(folder: Path) -> None:
    """Remove what :func:`describe` wrote, and nothing else."""
    for name in (CROISSANT, EXAMPLES, CARD):
        stamp = read_stamp(folder / name)
        if stamp is not None and stamp.whole:
            (folder / name).unlink(missing_ok=True)


def _write(folder: Path, index: dict[str, Any], failures: Sequence[Failure], wanted: set[str], key: str) -> None:
    shards = [record for record in index["shards"] if record["file"] is not None]
    dataset = Dataset(folder, [record["file"] for record in shards], [record["samples"] for record in shards], index)
    facts = gather(dataset, failures)
    if CROISSANT in wanted:
        write_atomic(folder / CROISSANT, stamped(_encoded(croissant(facts)), key))
    if EXAMPLES in wanted:
        write_atomic(folder / EXAMPLES, stamped(draw_examples(dataset, [number for number, _ in facts.examples]), key))
    if CARD in wanted:
        write_atomic(folder / CARD, stamped(_encoded(card(facts, EXAMPLES if EXAMPLES in wanted else "")), key))


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _notice(path: Path, stamp: Stamp) -> str:
    if stamp == NONE:
        return f"{path} is not blurkit's and stays as it is; move it away to have one written"
    return f"{path} was changed by hand and stays as it is, but the dataset is another now; move it away to have one written"
