"""The records of a source and the entries that it passed over."""

import os

from blurkit.sources.record import ImageRecord, Source


def ids(source: Source) -> list[str]:
    """The ids of the records in order."""
    return [record.id for record in source.records]


def reasons(source: Source) -> dict[str, str]:
    """The reason for each entry that was passed over, by its id."""
    return {entry.id: entry.reason for entry in source.passed_over}


def describe_masks(record: ImageRecord) -> tuple:
    """The process id, and the names, ids, areas and shape of a record's masks. Worker processes call it."""
    found = record.masks()
    return os.getpid(), found.names, found.ids, found.masks.sum((1, 2)).tolist(), found.masks.shape[1:]
