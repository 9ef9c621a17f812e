"""Opens COCO as a source: photographs with a licence each, and one large JSON file of outlines for each split."""

from __future__ import annotations

import bisect
import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.decode.objects.coco import CocoAnnotation, as_id, decide_frame, index_annotations
from blurkit.decode.objects.json_stream import elements
from blurkit.errors import UsageError
from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.licence import coco_licence
from blurkit.sources.listing import REASONS, Listing
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "train2017", "val": "val2017"}

_REASONS = REASONS | {
    "bad_entry": "its entry in the JSON file has no valid file_name, or an id that is neither a number nor a text",
    "duplicate_id": "several images have its id, so its objects are unknown",
    "duplicate_name": "the JSON file lists it several times; its first entry is used",
    "missing": "the JSON file lists it, and it is not on the disk",
    "not_listed": "it is not in the JSON file: licence and objects are unknown",
    "outside": "its file_name is no plain path within the folder of the images; nothing outside of the folder is read",
}

#: COCO's own file names. For any other file name, the suffix is part of the id.
_OWN_NAME = re.compile(r"\d{12}\.jpg")


def open_coco(root: Path | None, split: str, *, masks: bool = True) -> Source:
    """Returns the photographs of COCO.

    ``split``: train (train2017), val (val2017), or all splits that are on the disk. ``masks``: whether the annotations are
    needed; reading them takes seconds for the training split. Ids are ``train2017/000000008193``. If a photograph is only in the
    JSON file or only on the disk, it is left out with a line of the ledger. Raises :class:`UsageError`.
    """
    listing = Listing(find_root("coco", root, ["annotations"]), _REASONS)
    annotations = listing.root / "annotations"
    files = {name: annotations / f"instances_{SPLITS[name]}.json" for name in choose_splits(split, SPLITS, "coco")}
    present = {name: file for name, file in files.items() if split != "all" or file.exists()}
    if not present:
        raise UsageError(f"{annotations} has none of {', '.join(file.name for file in files.values())}")
    records = (record for name, file in present.items() for record in _records(listing, name, file, masks=masks))
    listed, folders = ", ".join(map(str, present.values())), ", ".join(SPLITS[name] for name in present)
    return listing.source("coco", records, f"nothing to do: {listed} lists no image that is in {folders}")


def _records(listing: Listing, split: str, file: Path, *, masks: bool) -> Iterator[ImageRecord]:
    """Yields the photographs of one split. ``file``: its JSON file."""
    folder, place = SPLITS[split], listing.root / SPLITS[split]
    is_folder(file.parent)
    if not file.exists():
        raise UsageError(
            f"{file} is missing; it holds the licences and objects of the images: get it with `blurkit fetch coco`, "
            f"or use the images without them with --src {place}"
        )
    if not is_folder(place):
        raise UsageError(f"{place} is missing: unpack {folder}.zip there, or use another --split")
    entries = _entries(file, "licenses", last="licenses")
    licences = {as_id(entry.get("id")): coco_licence(entry) for entry in entries}
    index = index_annotations(str(file)) if masks else None
    for problem in index.problems if index else ():
        listing.pass_over(f"{folder}/{file.name}", "bad_annotation", problem)
    numbers = (as_id(entry.get("id")) for entry in _entries(file, "images", last="images"))
    ids = array("q", (number for number in numbers if number is not None))
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    repeated, files = set(values[counts > 1].tolist()), _Files(place)
    if index:
        index, message = decide_frame(index, _sizes(file, files, place))
        if message:
            listing.pass_over(f"{folder}/{file.name}", "frame", message)
    for entry in _entries(file, "images"):  # reads to the end, so that an incomplete file is refused
        if reason := _fault(entry, files, repeated):
            listing.pass_over(f"{folder}/{_name(entry)}", reason)
            continue
        name, number = entry["file_name"], as_id(entry["id"])
        annotation = None
        if index and number is not None and len(index.of(number).spans):
            annotation = CocoAnnotation(index, _size(entry), number)
        licence = licences.get(as_id(entry.get("license")), "")
        image_id = path_id(f"{folder}/{name[:-4] if _OWN_NAME.fullmatch(name) else name}")
        yield ImageRecord(image_id, f"{place}/{name}", "coco", licence, split, annotation)
    not_listed = files.not_listed()
    for image in listing.entries(folder) if not_listed else ():
        if hash(image.name) in not_listed:
            listing.pass_over(f"{folder}/{image.name}", "not_listed")


def _entries(file: Path, key: str, *, last: str | None = None) -> Iterator[Any]:
    """Yields the elements of the array at a key. An element that is no object becomes an empty one."""
    return (element.value if isinstance(element.value, dict) else {} for element in elements(file, {key}, last=last))


def _sizes(file: Path, files: _Files, place: Path) -> Iterator[tuple[str, int, tuple[Any, Any]]]:
    """Yields (path, id, size) of the images that are on the disk."""
    for entry in _entries(file, "images", last="images"):
        name, number = entry.get("file_name"), as_id(entry.get("id"))
        if number is not None and _can_be_a_name(name) and files.has(name):
            yield f"{place}/{name}", number, _size(entry)


def _size(entry: Any) -> tuple[Any, Any]:
    """Returns (height, width) of an element of ``images``."""
    height, width = (side if isinstance(side, int | float) else str(side) for side in map(entry.get, ("height", "width")))
    return height, width


def _fault(entry: Any, files: _Files, repeated: set[int]) -> str:
    """Returns why an element of ``images`` cannot be used, or an empty text. Its file counts as listed in any case."""
    name, number = entry.get("file_name"), entry.get("id")
    if not _can_be_a_name(name):
        return "bad_entry"
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "outside"
    reason = files.refusal(name)
    if (number := as_id(number)) is None:
        return "bad_entry"
    return "duplicate_id" if number in repeated else reason


def _can_be_a_name(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(os.fsencode(name)) and "\0" not in name
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _name(entry: Any) -> str:
    """Returns a name of an element of ``images`` for the ledger."""
    name = entry.get("file_name") or entry.get("id") or "an entry without a name"
    return str(name)[:200].encode(errors="replace").decode()


class _Files:
    """The files of a folder, in eight bytes each. The JSON file's images are looked up here, without a system call for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with os.scandir(folder) as found:
            hashes = (hash(entry.name) for entry in found if entry.is_file(follow_symlinks=False))
            self._present = array("q", np.sort(np.fromiter(hashes, np.int64)).tobytes())
        self._listed = bytearray(len(self._present))
        self._nested: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the folder itself, and none of its subfolders, holds a file of this name."""
        place = bisect.bisect_left(self._present, hash(name))
        return place < len(self._present) and self._present[place] == hash(name)

    def refusal(self, name: str) -> str:
        """Returns why a listed image cannot be opened, or an empty text."""
        if self.has(name):
            place = bisect.bisect_left(self._present, hash(name))
            repeated, self._listed[place] = self._listed[place], True
            return "duplicate_name" if repeated else ""
        parts, path = name.split("/"), os.path.join(self._folder, name)
        if any(os.path.islink(os.path.join(self._folder, *parts[: count + 1])) for count in range(len(parts))):
            return "link"
        if not os.path.exists(path):  # also false for a name that is too long for the disk
            return "missing"
        if len(parts) == 1 or not os.path.isfile(path):
            return "not_a_file"
        repeated = name in self._nested
        self._nested.add(name)
        return "duplicate_name" if repeated else ""

    def not_listed(self) -> set[int]:
        """Returns the hashes of the file names that the JSON file does not list."""
        return {value for value, asked in zip(self._present, self._listed, strict=True) if not asked}
