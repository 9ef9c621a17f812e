"""The photographs in the package: a source that is always there."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from blurkit.decode.objects.coco import CocoAnnotation, index_annotations
from blurkit.decode.objects.json_stream import elements
from blurkit.sources.known.manifest import load_manifest
from blurkit.sources.known.place import choose_splits
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.splits import NAMES
from blurkit.sources.table import RecordTable

#: Outlines of objects in some of them, in the format of COCO.
OBJECTS = "objects.json"


def open_sample(split: str, *, masks: bool = True) -> Source:
    """The packaged photographs of ``split``: ``all``, ``train``, ``val`` or ``test``, as their manifest assigns them."""
    root = Path(str(resources.files("blurkit.data_manifests") / "sample"))
    splits = choose_splits(split, {name: name for name in NAMES}, "sample")
    outlined = _annotations(str(root / OBJECTS)) if masks else {}
    photographs = {row["file"]: row for row in load_manifest("sample").photographs if row["split"] in splits}
    records = [
        ImageRecord(Path(file).stem, str(root / file), "sample", row["licence"], row["split"], outlined.get(file))
        for file, row in photographs.items()
    ]
    return Source("sample", root, RecordTable(records))


def _annotations(path: str) -> dict[str, CocoAnnotation]:
    """By the names of the photographs that have any."""
    index = index_annotations(path)
    images = [element.value for element in elements(path, ("images",))]
    return {image["file_name"]: CocoAnnotation(index, (image["height"], image["width"]), image["id"]) for image in images}
