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

from blurkit.decode.objects.coco import CocoAnnotation, index_annotations
from blurkit.decode.objects.json_stream import elements
from blurkit.errors import UsageError
from blurkit.sources.known.manifest import OF_SOURCE, load_manifest
from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.licence import coco_licence
from blurkit.sources.listing import REASONS, entries_of, pass_over
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import NumberedAnnotation, RecordTable

SPLITS = {"train": "train2017", "val": "val2017"}

_REPEATED = "duplicate_name", "the JSON file lists it several times; its first entry is used"

_BAD_ENTRY = "bad_entry", "its entry in the JSON file has no proper file_name, or no whole number as id"

#: The names that COCO itself gives; the suffix of others is part of the id.
_OWN_NAME = re.compile(r"\d{12}\.jpg")


def open_coco(root: Path | None, split: str, *, masks: bool = True) -> Source:
    """The photographs of ``split``: train (train2017), val (val2017), or all that are there.

    Ids are ``train2017/000000008193``. What the JSON file lists and the disk lacks is passed over, with a line of the ledger, and
    the other way round. ``masks=False`` spares reading all annotations, which takes seconds for the training split.
    """
    place = find_root("coco", root, load_manifest(OF_SOURCE["coco"]), ["annotations"])
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
        objects = _Objects(str(_file(self.root, self.folder))) if masks else None
        for problem in objects.index.problems if objects else ():
            self._pass_over(f"instances_{self.folder}.json", "bad_annotation", problem)
        ids = (_get(entry, "id") for entry in self._entries("images", last="images"))
        repeated, files = _repeated(array("q", filter(_is_integer, ids))), _Files(self.root / self.folder)
        folder = str(self.root / self.folder)
        split = next(ours for ours, theirs in SPLITS.items() if theirs == self.folder)
        for entry in self._entries("images"):  # to the file's end: a cut one is refused
            reason = _fault(entry, files, repeated)
            if reason:
                self._pass_over(_name(entry), *reason)
                continue
            name, licence = entry["file_name"], entry.get("license")
            image_id = path_id(f"{self.folder}/{name[:-4] if _OWN_NAME.fullmatch(name) else name}")
            annotation = objects.of(entry) if objects else None
            licence = licences.get(licence, "") if _is_integer(licence) else ""
            yield ImageRecord(image_id, f"{folder}/{name}", "coco", licence, split, annotation)
        for name in files.not_listed():
            self._pass_over(name, "not_listed", f"it is not in instances_{self.folder}.json: licence and objects are unknown")

    def _entries(self, key: str, *, last: str | None = None) -> Iterator[Any]:
        return (element.value for element in elements(_file(self.root, self.folder), {key}, last=last))

    def _pass_over(self, name: str, reason: str, message: str) -> None:
        self.passed_over.append(pass_over(f"{self.folder}/{name}", str(self.root / self.folder / name), reason, message))


class _Objects:
    """The annotations of a split's images, each made when it is asked for, from two numbers and the index of the JSON file."""

    def __init__(self, path: str) -> None:
        self.index = index_annotations(path)
        self._path = path
        self._images, self._sizes = array("q"), array("I")
        self._known: dict[Any, int] = {}  # sizes
        self._by_code: list[tuple[Any, Any]] = []

    def of(self, entry: dict[str, Any]) -> NumberedAnnotation | None:
        """Those of an image by its element of ``images``, ``None`` where it has none."""
        if not len(self.index.spans(entry["id"])):
            return None
        size = (entry.get("height"), entry.get("width"))
        code = self._known.setdefault(size if all(map(_is_integer, size)) else str(size), len(self._known))
        if code == len(self._by_code):
            self._by_code.append(size)
        self._images.append(entry["id"])
        self._sizes.append(code)
        return NumberedAnnotation(self, len(self._images) - 1)

    def __getitem__(self, number: int) -> CocoAnnotation:
        spans, size = self.index.spans(self._images[number]), self._by_code[self._sizes[number]]
        return CocoAnnotation(self._path, spans, size, self.index.categories)


def _fault(entry: Any, files: _Files, repeated: set[int]) -> tuple[str, str] | None:
    """Why an element of ``images`` cannot be used. The file that it names counts as listed even so."""
    name, number = _get(entry, "file_name"), _get(entry, "id")
    if not _can_be_a_name(name):
        return _BAD_ENTRY
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "outside", "its file_name is no plain path within the folder of the images; nothing outside of that is read"
    reason = files.why_not(name)
    if not _is_integer(number):
        return _BAD_ENTRY
    return ("duplicate_id", f"several images have the id {number}, so its objects are unknown") if number in repeated else reason


def _get(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else None


def _can_be_a_name(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(os.fsencode(name)) and "\0" not in name
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _name(entry: Any) -> str:
    """What to call an element of ``images`` in the ledger, whatever it is."""
    name = _get(entry, "file_name") or _get(entry, "id") or "an entry that is none"
    return str(name)[:200].encode(errors="replace").decode()


def _is_integer(value: Any) -> bool:
    return type(value) is int and -(2**63) < value < 2**63


def _repeated(ids: array[int]) -> set[int]:
    """The numbers that occur more than once."""
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    return set(values[counts > 1].tolist())


class _Files:
    """Which files a folder has, in eight bytes each: what the JSON lists is compared with it, without a system call per image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with os.scandir(folder) as found:
            hashes = (hash(entry.name) for entry in found if entry.is_file(follow_symlinks=False))
            self._present = array("q", np.sort(np.fromiter(hashes, np.int64)).tobytes())
        self._listed = bytearray(len(self._present))
        self._nested: set[str] = set()

    def why_not(self, name: str) -> tuple[str, str] | None:
        """Why a listed image cannot be opened, or ``None``."""
        place = bisect.bisect_left(self._present, hash(name))
        if place < len(self._present) and self._present[place] == hash(name):
            repeated, self._listed[place] = self._listed[place], 1
            return _REPEATED if repeated else None
        if _has_link(self._folder, name):
            return "link", REASONS["link"]
        path = os.path.join(self._folder, name)
        if "/" in name and os.path.isfile(path):
            repeated = name in self._nested
            self._nested.add(name)
            return _REPEATED if repeated else None
        if os.path.exists(path):
            return "not_a_file", REASONS["not_a_file"]
        return "missing", "the JSON file lists it, and it is not on the disk"

    def not_listed(self) -> list[str]:
        """Names of images that lie there and were never asked for."""
        if all(self._listed):
            return []
        listed = {value for value, asked in zip(self._present, self._listed, strict=True) if asked}
        entries = (entry for entry in entries_of(self._folder) if entry.is_file(follow_symlinks=False))
        return [entry.name for entry in entries if hash(entry.name) not in listed]


def _has_link(folder: Path, name: str) -> bool:
    """Whether a part of the name is a link; a name that is too long for the disk is none."""
    parts = name.split("/")
    return any(os.path.islink(os.path.join(folder, *parts[:count])) for count in range(1, len(parts) + 1))
