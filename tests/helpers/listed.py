"""What a source lists, and what its records give."""

import os

from blurkit.sources.record import ImageRecord, Source


def ids(source: Source) -> list[str]:
    """The ids of the records, in their order."""
    return [record.id for record in source.records]


def reasons(source: Source) -> dict[str, str]:
    """Why each entry was passed over, by its id."""
    return {entry.id: entry.reason for entry in source.passed_over}


def describe_masks(record: ImageRecord) -> tuple:
    """The process that reads them, and the names, ids, sizes and shape of a record's masks; for a worker process to call."""
    found = record.masks()
    return os.getpid(), found.names, found.ids, found.masks.sum((1, 2)).tolist(), found.masks.shape[1:]
