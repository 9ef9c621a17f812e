"""COCO: photographs with a licence each, and outlines of objects in one large JSON file per split."""

from __future__ import annotations

import bisect
import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.errors import UsageError
from blurkit.manifest import load_manifest
from blurkit.sources.coco_objects import AnnotationIndex, CocoAnnotation, index_annotations
from blurkit.sources.folder import REASONS
from blurkit.sources.jsonstream import elements
from blurkit.sources.licence import coco_licence
from blurkit.sources.place import choose_splits, find_root, is_folder
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

SPLITS = {"train": "train2017", "val": "val2017"}

_REPEATED = "duplicate_name", "the JSON file lists it several times; its first entry is used"

#: The names that COCO itself gives; the suffix of others is part of the id.
_OWN_NAME = re.compile(r"\d{12}\.jpg")


def open_coco(root: Path | None, split: str, *, masks: bool = True) -> Source:
    """The photographs of ``split``: train (train2017), val (val2017), or all that are there.

    Ids are ``train2017/000000008193``. What the JSON file lists and the disk lacks is passed over, with a line of the ledger, and
    the other way round. ``masks=False`` spares reading all annotations, which takes seconds for the training split.
    """
    place = find_root("coco", root, load_manifest("coco_2017"), ["annotations"])
    folders = choose_splits(split, SPLITS, "coco")
    present = [folder for folder in folders if split != "all" or _file(place, folder).exists()]
    passed_over: list[PassedOver] = []
    parts = [_Split(place, folder, passed_over) for folder in present]
    if not parts:
        raise UsageError(f"{place / 'annotations'} has none of {', '.join(_file(place, folder).name for folder in folders)}")
    records = RecordTable(record for part in parts for record in part.records(masks))
    if not len(records):
        listed = ", ".join(str(_file(place, part.folder)) for part in parts)
        raise UsageError(f"nothing to do: {listed} lists no image that is in {', '.join(present)}")
    return Source("coco", place, records, passed_over)


def _file(root: Path, folder: str) -> Path:
    return root / "annotations" / f"instances_{folder}.json"


@dataclass
class _Split:
    """One split: its folder of images and its JSON file."""

    root: Path
    folder: str
    passed_over: list[PassedOver]

    def records(self, masks: bool) -> Iterator[ImageRecord]:
        is_folder(self.root / "annotations")
        if not _file(self.root, self.folder).exists():
            raise UsageError(
                f"{_file(self.root, self.folder)} is missing, which says what the images' licences and objects are: get it with "
                f"`blurkit fetch coco`, or use the images alone with --src {self.root / self.folder}"
            )
        if not is_folder(self.root / self.folder):
            raise UsageError(f"{self.root / self.folder} is missing: unpack {self.folder}.zip there, or use another --split")
        entries = self._entries("licenses", last="licenses")
        licences = {entry["id"]: coco_licence(entry) for entry in entries if _is_integer(_get(entry, "id"))}
        index = index_annotations(str(_file(self.root, self.folder))) if masks else None
        if index is not None:
            for problem in index.problems:
                self._pass_over(f"instances_{self.folder}.json", "bad_annotation", problem)
        ids = (entry["id"] for entry in self._entries("images", last="images") if not _fault(entry))
        repeated, files = _repeated(array("q", ids)), _Files(self.root / self.folder)
        for entry in self._entries("images"):  # to the file's end: a cut one is refused
            fault = _fault(entry)
            if fault:
                self._pass_over(_name(entry), *fault)
            elif entry["id"] in repeated:
                self._pass_over(
                    _name(entry), "duplicate_id", f"several images have the id {entry['id']}, so its objects are unknown"
                )
            elif reason := files.why_not(entry["file_name"]):
                self._pass_over(_name(entry), *reason)
            else:
                yield self._record(entry, licences, index)
        for name in files.not_listed():
            self._pass_over(name, "not_listed", f"it is not in instances_{self.folder}.json: licence and objects are unknown")

    def _record(self, entry: dict[str, Any], licences: dict[int, str], index: AnnotationIndex | None) -> ImageRecord:
        name, path = entry["file_name"], self.root / self.folder / entry["file_name"]
        key = name[:-4] if _OWN_NAME.fullmatch(name) else name
        annotation = None
        if index is not None:
            size = (entry.get("height"), entry.get("width"))
            annotation = CocoAnnotation(str(_file(self.root, self.folder)), index.spans(entry["id"]), size, index.categories)
        licence = licences[entry["license"]] if _is_integer(entry.get("license")) and entry["license"] in licences else ""
        split = next(name for name, folder in SPLITS.items() if folder == self.folder)
        return ImageRecord(path_id(f"{self.folder}/{key}"), str(path), "coco", licence, split, annotation)

    def _entries(self, key: str, *, last: str | None = None) -> Iterator[Any]:
        return (element.value for element in elements(_file(self.root, self.folder), {key}, last=last))

    def _pass_over(self, name: str, reason: str, message: str) -> None:
        entry_id = path_id(f"{self.folder}/{name}")
        self.passed_over.append(PassedOver(entry_id, str(self.root / self.folder / name), reason, message))


def _fault(entry: Any) -> tuple[str, str] | None:
    """Why an element of ``images`` cannot be used, whatever is on the disk."""
    name = _get(entry, "file_name")
    if not isinstance(name, str) or not _is_integer(entry.get("id")) or not _can_be_a_name(name):
        return "bad_entry", "its entry in the JSON file has no proper file_name, or no whole number as id"
    if name.startswith("/") or ".." in name.split("/"):
        return "outside", "its file_name leaves the folder of the images; nothing outside of it is read"
    return None


def _get(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else None


def _can_be_a_name(name: str) -> bool:
    try:
        return bool(os.fsencode(name)) and "\0" not in name
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _name(entry: Any) -> str:
    """What to call an element of ``images`` in the ledger, whatever it is."""
    name = _get(entry, "file_name") or _get(entry, "id") or "an entry that is none"
    return str(name)[:200].encode(errors="replace").decode()


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _repeated(ids: array[int]) -> set[int]:
    """The numbers that occur more than once."""
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    return set(values[counts > 1].tolist())


class _Files:
    """Which files a folder has, in eight bytes each: what the JSON lists is compared with it, without a system call per image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with os.scandir(folder) as found:
            self._present = array("q", sorted(hash(entry.name) for entry in found if entry.is_file(follow_symlinks=False)))
        self._listed = bytearray(len(self._present))
        self._nested: set[str] = set()

    def why_not(self, name: str) -> tuple[str, str] | None:
        """Why a listed image cannot be opened, or ``None``."""
        place = bisect.bisect_left(self._present, hash(name))
        if place < len(self._present) and self._present[place] == hash(name):
            repeated, self._listed[place] = self._listed[place], 1
            return _REPEATED if repeated else None
        if "/" in name and (self._folder / name).is_file() and not _has_link(self._folder, name):
            repeated = name in self._nested
            self._nested.add(name)
            return _REPEATED if repeated else None
        if _has_link(self._folder, name):
            return "link", REASONS["link"]
        if (self._folder / name).exists():
            return "not_a_file", REASONS["not_a_file"]
        return "missing", "the JSON file lists it, and it is not on the disk"

    def not_listed(self) -> list[str]:
        """Names of images that lie there and were never asked for."""
        if all(self._listed):
            return []
        listed = {value for value, asked in zip(self._present, self._listed, strict=True) if asked}
        with os.scandir(self._folder) as found:
            names = [entry.name for entry in found if entry.is_file(follow_symlinks=False) and hash(entry.name) not in listed]
        return sorted(names, key=os.fsencode)


def _has_link(folder: Path, name: str) -> bool:
    parts = Path(name).parts
    return any((folder / Path(*parts[:count])).is_symlink() for count in range(1, len(parts) + 1))
