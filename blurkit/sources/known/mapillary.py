"""Mapillary Vistas: photographs of streets with outlines of every object.

Version 2.0 has folders for two sets of annotations, v1.2 and v2.0, beside the images; older releases have a flat layout with one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blurkit.decode.objects.vistas import VistasAnnotation, VistasClass, read_classes
from blurkit.errors import UsageError, nearest
from blurkit.sources.known.manifest import OF_SOURCE, load_manifest
from blurkit.sources.known.place import choose_splits, find_root, images_in, is_folder
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

SPLITS = {"train": "training", "val": "validation", "test": "testing"}
VERSIONS = ("v2.0", "v1.2")
LICENCE = "CC-BY-NC-SA-4.0"


@dataclass(frozen=True)
class _Release:
    """One set of annotations: its folder below a split's, its name, and its classes."""

    folder: str
    version: str
    classes: tuple[VistasClass, ...]


def open_mapillary(root: Path | None, split: str, version: str | None = None, *, masks: bool = True) -> Source:
    """The photographs of ``split`` (training, validation, testing, or ours: train, val, test) and their annotations.

    ``version``: ``v1.2`` or ``v2.0``; the newest that is there by default. ``masks=False`` asks for no annotations, and finds no
    fault with them. Ids are ``training/KEY``.
    """
    place = find_root("mapillary", root, load_manifest(OF_SOURCE["mapillary"]), SPLITS.values())
    passed_over: list[PassedOver] = []
    release = _find_release(place, version, passed_over) if masks else None
    folders = choose_splits(split, SPLITS, "mapillary")
    records = RecordTable(
        record
        for folder in folders
        if is_folder(place / folder) and is_folder(place / folder / "images")
        for record in _records(place, folder, release, passed_over)
    )
    if not len(records):
        raise UsageError(f"no photographs in {', '.join(str(place / folder / 'images') for folder in folders)}")
    return Source("mapillary", place, records, passed_over)


def _find_release(root: Path, version: str | None, passed_over: list[PassedOver]) -> _Release | None:
    if version is not None and version not in VERSIONS:
        raise UsageError(f"mapillary has annotations {' and '.join(VERSIONS)}, not {version!r}{nearest(version, VERSIONS)}")
    found = [name for name in VERSIONS if any(is_folder(root / split / name) for split in SPLITS.values())]
    flat = any(is_folder(root / split / "instances") for split in SPLITS.values())
    if version is None:
        version = found[0] if found else "v1.2"
    config = root / (f"config_{version}.json" if found else "config.json")
    if version not in found and not (flat and version == "v1.2"):
        if found or flat:
            raise UsageError(f"{root} has no annotations {version}; it has {', '.join(found) or 'v1.2 (flat layout)'}")
        return None
    if not os.path.lexists(config):
        message = "not there: its classes are unknown, so photographs are used without their objects"
        passed_over.append(PassedOver(config.name, str(config), "no_classes", message))
        return None
    return _Release(version if found else "", version, read_classes(config))


def _records(root: Path, split: str, release: _Release | None, passed_over: list[PassedOver]) -> Iterator[ImageRecord]:
    ours = next(name for name, folder in SPLITS.items() if folder == split)
    release = release if split != SPLITS["test"] else None  # whose annotations are not public
    have = {kind: _names(root / split / release.folder / kind) for kind in ("instances", "labels")} if release else {}
    for name in images_in(root / split / "images", (".jpg",), f"{split}/images"):
        if isinstance(name, PassedOver):
            passed_over.append(name)
            continue
        key, path = name[:-4], str(root / split / "images" / name)
        annotation = None
        if release:
            instances, labels = (str(root / split / release.folder / kind / f"{key}.png") for kind in ("instances", "labels"))
            absent = [kind for kind, names in have.items() if f"{key}.png" not in names]
            if absent:
                message = f"no file of its {' and '.join(absent)} ({release.version}): it is used without its objects"
                passed_over.append(PassedOver(path_id(f"{split}/{key}"), path, "no_annotation", message))
            else:
                annotation = VistasAnnotation(instances, labels, release.classes)
        yield ImageRecord(path_id(f"{split}/{key}"), path, "mapillary", LICENCE, ours, annotation)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if is_folder(folder) else set()
