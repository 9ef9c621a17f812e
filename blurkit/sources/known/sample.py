"""Opens the photographs in the package as a source. They are always available."""

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

#: The outlines of objects in some of the photographs, in COCO's format.
OBJECTS = "objects.json"


def open_sample(split: str, *, masks: bool = True) -> Source:
    """Returns the packaged photographs of ``split``: ``all``, ``train``, ``val`` or ``test``. The manifest assigns the splits."""
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
    """Returns {file name of a photograph: its annotation}."""
    index = index_annotations(path)
    images = [element.value for element in elements(path, ("images",))]
    return {image["file_name"]: CocoAnnotation(index, (image["height"], image["width"]), image["id"]) for image in images}
