"""The photographs in the package: a source that is always there."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, Source


def open_sample(split: str) -> Source:
    """The packaged photographs of ``split``: ``all``, ``train``, ``val`` or ``test``, as their manifest assigns them."""
    root = Path(str(resources.files("blurkit.data_manifests") / "sample"))
    photographs = json.loads((root / "photographs.json").read_text(encoding="utf-8"))
    records = [
        ImageRecord(photograph["file"].removesuffix(".jpg"), str(root / photograph["file"]), "sample", photograph["licence"])
        for photograph in photographs
        if split in ("all", photograph["split"])
    ]
    if not records:
        raise UsageError(f"the source `sample` has no split {split!r}; it has all, train, val and test")
    return Source("sample", root, records)
