"""Opens a folder of pairs as a source: sharp photographs, each with its real blurred partner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.sources.listing import SUFFIXES
from blurkit.sources.pairs import PairFolder, find_pairs
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.table import RecordTable

#: The name of the source, and the kind of its blurred photographs.
NAME, KIND = "pairs", "blur"


def open_pair_folder(root: Path, licence: str = "") -> Source:
    """Returns the pairs in a folder as a source. The names of files and folders decide what a pair is, see
    :mod:`blurkit.sources.pairs`. The id of a record is the path of its blurred image. ``licence``: of all photographs.

    Raises :class:`UsageError` if there is no folder or no pair in it, or if it is not clear which images are pairs.
    """
    found = find_pairs(root, SUFFIXES)
    return Source(NAME, root, RecordTable(_records(found, licence)), found.passed_over)


def _records(found: PairFolder, licence: str) -> Iterator[ImageRecord]:
    for pair in found.pairs:
        blurred, sharp = (str(found.root / name) for name in (pair.blurred, pair.sharp))
        yield ImageRecord(path_id(os.path.splitext(pair.blurred)[0]), sharp, NAME, licence, blurred=((KIND, blurred),))
