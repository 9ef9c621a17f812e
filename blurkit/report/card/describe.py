"""Writes the description of a dataset into its folder. Files that other people wrote or changed are kept."""

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
    """Write ``croissant.json``, ``examples.jpg`` and ``README.md``, unless all of them already describe this dataset.

    ``index``: the content of ``dataset.json``, which may be written later. ``failures``: the lines of the ledger. A file with one
    of these names is kept if blurkit did not write it, or if it was changed since. Returns a sentence for each kept file that may
    not fit the dataset.

    Raises :class:`blurkit.errors.CorruptShardError` if a shard is damaged.
    """
    # Each file is read only once, since another slice may write it at any moment.
    stamps = {name: read_stamp(folder / name) for name in (CROISSANT, EXAMPLES, CARD)}
    kept = {name: stamp for name, stamp in stamps.items() if stamp is not None and not stamp.whole}
    pictured = bool(index["samples"]) and EXAMPLES not in kept
    rows = [[*reason, *counts] for reason, counts in left_out(failures).items()]
    key = key_of(json.dumps([index, rows, pictured]).encode())
    wanted = {CROISSANT, CARD, *([EXAMPLES] if pictured else [])} - kept.keys()
    if not all(stamp is not None and stamp.key == key for name, stamp in stamps.items() if name in wanted):
        _write(folder, index, failures, wanted, key)
    if EXAMPLES not in wanted | kept.keys():
        (folder / EXAMPLES).unlink(missing_ok=True)
    return [_notice(folder / name, stamp) for name, stamp in kept.items() if stamp.key != key]


def remove_description(folder: Path) -> None:
    """Remove the files that :func:`describe` wrote. Files that were changed since are kept."""
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
        return f"{path} was not written by blurkit and is kept; move it away and run the command again to get a new one"
    return f"{path} was changed by hand and is kept, but the dataset has changed; move it away and run the command again"
