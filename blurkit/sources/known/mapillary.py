"""Opens Mapillary Vistas as a source: photographs of streets with outlines of all objects.

Version 2.0 has two sets of annotations, v1.2 and v2.0, in folders beside the images. Older releases have one set, in a flat
layout.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blurkit.decode.objects.vistas import VistasAnnotation, VistasClass, read_classes
from blurkit.errors import UsageError, nearest
from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.listing import REASONS, Listing
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "training", "val": "validation", "test": "testing"}
VERSIONS = ("v2.0", "v1.2")
LICENCE = "CC-BY-NC-SA-4.0"

_REASONS = REASONS | {"no_classes": "not found: the classes are unknown, so photographs are used without their objects"}


@dataclass(frozen=True)
class _Release:
    """A set of annotations. ``folder``: its folder below the split's folder. ``version``: its name. ``classes``: its classes."""

    folder: str
    version: str
    classes: tuple[VistasClass, ...]


def open_mapillary(root: Path | None, split: str, version: str | None = None, *, masks: bool = True) -> Source:
    """Returns the photographs of Mapillary Vistas. Ids are ``training/KEY``.

    ``split``: training, validation, testing, or train, val, test, or all. ``version``: the set of annotations, ``v1.2`` or
    ``v2.0``; by default the newest set that exists. ``masks``: whether the annotations are needed; without them, they are not
    checked. Raises :class:`UsageError`.
    """
    listing = Listing(find_root("mapillary", root, SPLITS.values()), _REASONS)
    release = _find_release(listing, version) if masks else None
    folders = {name: listing.root / SPLITS[name] for name in choose_splits(split, SPLITS, "mapillary")}
    records = (
        record
        for name, folder in folders.items()
        if is_folder(folder) and is_folder(folder / "images")
        for record in _records(listing, name, release if name != "test" else None)  # the annotations of test are not public
    )
    looked = ", ".join(str(folder / "images") for folder in folders.values())
    return listing.source("mapillary", records, f"no photographs in {looked}")


def _find_release(listing: Listing, version: str | None) -> _Release | None:
    root = listing.root
    if version is not None and version not in VERSIONS:
        raise UsageError(f"mapillary has annotations {' and '.join(VERSIONS)}, not {version!r}{nearest(version, VERSIONS)}")
    found = [name for name in VERSIONS if any(is_folder(root / split / name) for split in SPLITS.values())]
    flat = any(is_folder(root / split / "instances") for split in SPLITS.values())
    if version is None:
        version = found[0] if found else "v1.2"
    if version not in found and not (flat and version == "v1.2"):
        if found or flat:
            raise UsageError(f"{root} has no annotations {version}; it has {', '.join(found) or 'v1.2 (flat layout)'}")
        return None
    config = f"config_{version}.json" if found else "config.json"
    if not os.path.lexists(root / config):
        listing.pass_over(config, "no_classes")
        return None
    return _Release(version if found else "", version, read_classes(root / config))


def _records(listing: Listing, name: str, release: _Release | None) -> Iterator[ImageRecord]:
    split = SPLITS[name]
    inside = {kind: os.path.join(split, release.folder, kind) for kind in ("instances", "labels")} if release else {}
    folders = {kind: listing.root / path for kind, path in inside.items()}
    have = {
        kind: {entry.name for entry in listing.entries(path)} if is_folder(listing.root / path) else set[str]()
        for kind, path in inside.items()
    }
    for image in listing.files(f"{split}/images", (".jpg",)):
        key, annotation = image.name[:-4], None
        absent = [kind for kind, names in have.items() if f"{key}.png" not in names]
        if release and not absent:
            paths = {kind: str(folder / f"{key}.png") for kind, folder in folders.items()}
            annotation = VistasAnnotation(**paths, classes=release.classes)
        elif release:
            message = f"no file of its {' and '.join(absent)} ({release.version}): it is used without its objects"
            listing.pass_over(f"{split}/{key}", "no_annotation", message, path=image.path)
        yield ImageRecord(path_id(f"{split}/{key}"), image.path, "mapillary", LICENCE, name, annotation)
