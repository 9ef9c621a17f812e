"""``blurkit info --src``: prints which parts of a source are there, compared with the manifest of the dataset."""

from __future__ import annotations

import collections
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from blurkit.commands.info import value_text
from blurkit.errors import FAILED, OK, BadImageError
from blurkit.program.progress import data_size
from blurkit.sources.known.manifest import OF_SOURCE, Archive, is_of_release, load_manifest
from blurkit.sources.open import open_source
from blurkit.sources.record import Source

#: State of an archive -> its description for people.
_STATES = {
    "absent": "not here",
    "here": "here, with the right size; --hash also checks its content",
    "incomplete": "here, but with another size: it is incomplete, or another release",
    "sound": "here, and its sha256 is right",
    "damaged": "here, but its sha256 is wrong: delete it and download it again",
    "unknown": "here; its right hash is not known",
}

#: The largest number of passed-over entries that are printed. The ledger of a run lists all.
_SHOWN = 8


def inventory(name: str, *, root: Path | None, split: str, hashes: bool, as_json: bool, annotations: str | None = None) -> int:
    """Print counts, sizes, licences and missing parts of a source. Returns the exit code: 1 if an archive is damaged."""
    source = open_source(name, root=root, split=split, annotations=annotations)
    described = is_of_release(source.name, source.records[0].id)
    manifest = load_manifest(OF_SOURCE[source.name]) if described else None
    archives = {archive.name: _state(archive, source.root, hashes) for archive in manifest.archives} if manifest else {}
    counts = _describe(source)
    if manifest:
        here = collections.Counter(record.split for record in source.records)
        counts["splits"] = {split.name: {"images": here[split.name], "of": split.images} for split in manifest.splits}
    for notice in source.notices:
        print(notice, file=sys.stderr)
    if as_json:
        print(json.dumps({**counts, "archives": archives}, ensure_ascii=False))
    else:
        _print(counts, archives, source)
    return FAILED if "damaged" in archives.values() else OK


def _describe(source: Source) -> dict[str, Any]:
    """Counts and sizes, from the records and the headers of their files."""
    licences, annotated, unreadable, size, last = collections.Counter[str](), 0, 0, 0, ""
    smallest = largest = (0, 0)
    for record in source.records:
        licences[record.licence or "unknown"] += 1
        annotated += record.annotation is not None
        try:
            shape = record.size()
            size += Path(record.path).stat().st_size if record.path != last else 0  # a video file has many records
        except (BadImageError, OSError):
            unreadable += 1
            continue
        last = record.path
        smallest = min(smallest, shape, key=min) if any(smallest) else shape
        largest = max(largest, shape, key=math.prod)
    return {
        "source": source.name,
        "root": str(source.root),
        "images": len(source.records),
        "annotated": annotated,
        "unreadable": unreadable,
        "passed_over": dict(collections.Counter(entry.reason for entry in source.passed_over).most_common()),
        "bytes": size,
        "smallest": f"{smallest[0]}x{smallest[1]}",
        "largest": f"{largest[0]}x{largest[1]}",
        "licences": dict(licences.most_common()),
    }


def _state(archive: Archive, root: Path, hashes: bool) -> str:
    """The state of an archive, a key of :data:`_STATES`. The archive may lie in the root or in the folder above."""
    path = next((folder / archive.name for folder in (root, root.parent) if (folder / archive.name).is_file()), None)
    if path is None:
        return "absent"
    if archive.bytes is not None and path.stat().st_size != archive.bytes:
        return "incomplete"
    if not archive.sha256:
        return "unknown"
    if not hashes:
        return "here"
    print(f"hashing {path}", file=sys.stderr, flush=True)
    with open(path, "rb") as file:
        return "sound" if hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256 else "damaged"


def _print(counts: dict[str, Any], archives: dict[str, str], source: Source) -> None:
    splits = counts.pop("splits", {})
    for key, value in counts.items():
        text = data_size(value) if key == "bytes" else value_text(value)
        print(f"{key:<12} {text or 'none'}")
    for name, count in splits.items():
        print(f"{name:<12} {count['images']:,} of the {count['of']:,} images of the whole dataset")
    for name, state in archives.items():
        print(f"{name}: {_STATES[state]}")
    if source.passed_over:
        print("\npassed over, for example:")
    for entry in source.passed_over[:_SHOWN]:
        print(f"  {entry.id}: {entry.message}")
