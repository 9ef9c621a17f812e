"""Opens a folder of pairs as a source: sharp photographs, each with its real blurred partner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.sources.pairs.layout import BY_NAMES, PairLayout
from blurkit.sources.pairs.stored import StoredPair, stored_pairs
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.table import RecordTable

#: The name of the source, and the kind of its blurred photographs.
NAME, KIND = "pairs", "blur"


def open_pair_folder(path: Path, licence: str = "", layout: PairLayout = BY_NAMES) -> Source:
    """Returns the pairs in a folder, or of a list of pairs, as a source, see :mod:`blurkit.sources.pairs.layout`. The id of a
    record is the path of its blurred image. ``licence``: of all photographs.

    Raises :class:`UsageError` if there is no folder or no pair in it, or if it is not clear which images are pairs. Raises
    :class:`BadImageError` if an array cannot be read.
    """
    found, pairs = stored_pairs(path, layout)
    notices = [f"{path}: pairs by {found.kind}"]
    return Source(NAME, path, RecordTable(_records(pairs, licence)), found.passed_over, notices=notices)


def _records(pairs: list[StoredPair], licence: str) -> Iterator[ImageRecord]:
    divided = all(pair.split for pair in pairs)
    for pair in pairs:
        stem, suffix = os.path.splitext(pair.name)
        name = stem + suffix[suffix.index("[") :] if "[" in suffix else stem
        part = pair.sharp if pair.sharp.is_array or pair.sharp.half else None
        blurred, split = ((KIND, pair.blurred),), pair.split if divided else ""
        yield ImageRecord(path_id(name), pair.sharp.path, NAME, licence, split, blurred=blurred, part=part)
