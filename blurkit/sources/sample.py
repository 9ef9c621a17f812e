"""The photographs in the package: a source that is always there."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from blurkit.manifest import load_manifest
from blurkit.sources.place import choose_splits
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.split import NAMES
from blurkit.sources.table import RecordTable


def open_sample(split: str) -> Source:
    """The packaged photographs of ``split``: ``all``, ``train``, ``val`` or ``test``, as their manifest assigns them."""
    root = Path(str(resources.files("blurkit.data_manifests") / "sample"))
    folders = choose_splits(split, {name: name for name in NAMES}, "sample")
    records = [
        ImageRecord(entry.file.removesuffix(".jpg"), str(root / entry.file), "sample", entry.licence, entry.split)
        for entry in load_manifest("sample").photographs
        if entry.split in folders
    ]
    return Source("sample", root, RecordTable(records))
