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
from blurkit.sources.known.coco_layouts import Part, find_parts, local_names, require_one_layout
from blurkit.sources.known.place import choose_splits, default_root, find_root, is_folder
from blurkit.sources.licence import coco_licence
from blurkit.sources.listing import REASONS, Listing
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "train2017", "val": "val2017"}

#: Folders of COCO 2017 that are no split here: their photographs have neither licences nor objects that are known.
_UNLISTED = ("test2017", "unlabeled2017")

LAYOUTS = (
    "other layouts that are found: annotations/instances_NAME.json with images/NAME/ or NAME/ (CVAT, COCO 2014), "
    "NAME/_annotations.coco.json beside the images (Roboflow), labels.json with data/ (FiftyOne), result.json with images/ "
    "(Label Studio); for any other, give the JSON file with --annotations FILE.json and the folder of its images with --root DIR"
)

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


def open_coco(root: Path | None, split: str, *, masks: bool = True, annotations: str | None = None) -> Source:
    """Returns the photographs of COCO, or of another dataset with annotations in COCO's format.

    ``split``: train (train2017), val (val2017), or all splits that are on the disk. ``masks``: whether the annotations are
    needed; reading them takes seconds for the training split. ``annotations``: a JSON file that lists the images in ``root``; by
    default JSON files and images are found. Ids are ``train2017/000000008193``. If a photograph is only in the JSON file or only
    on the disk, it is left out with a line of the ledger. Raises :class:`UsageError`.
    """
    if annotations is not None:
        place, parts = _named(root, split, annotations)
    else:
        place, parts = _found(root, split)
    listing = Listing(place, _REASONS)
    records = (record for part in parts for record in _records(listing, part, masks=masks))
    listed, folders = (", ".join(words) for words in ((str(part.file) for part in parts), (part.folder or "." for part in parts)))
    return listing.source("coco", records, f"nothing to do: {listed} lists no image that is in {folders}")


def _named(root: Path | None, split: str, annotations: str) -> tuple[Path, list[Part]]:
    """The folder of images and the JSON file that the user names."""
    if root is None or not root.is_dir():
        raise UsageError(f"--annotations {annotations} needs --root, the folder of the images that it lists")
    if split != "all":
        raise UsageError(f"--split {split} does not go with --annotations {annotations}, which is one split; leave it out")
    if not os.path.isfile(annotations):
        raise UsageError(f"--annotations {annotations}: no such file; for coco it is a JSON file in COCO's format")
    return root, [Part("", "", Path(annotations))]


def _found(root: Path | None, split: str) -> tuple[Path, list[Part]]:
    """The root, and its parts. Raises :class:`UsageError` if several layouts have parts of this split."""
    place = default_root("coco", root)
    own = {name: place / "annotations" / f"instances_{folder}.json" for name, folder in SPLITS.items()}
    is_own = any(os.path.lexists(file) for file in own.values())
    others = find_parts(place, without=(*SPLITS.values(), *_UNLISTED) if is_own else ()) if place.is_dir() else []
    if others and (not is_own or split not in ("all", *SPLITS, *SPLITS.values())):
        chosen = _of_split(others, split)
        require_one_layout(place, chosen)
        return place, chosen
    find_root("coco", root, ["annotations"], f"\n\n{LAYOUTS[0].upper()}{LAYOUTS[1:]}")
    files = {name: own[name] for name in choose_splits(split, SPLITS, "coco")}
    present = {name: file for name, file in files.items() if split != "all" or file.exists()}
    if not present:
        names = ", ".join(file.name for file in files.values())
        raise UsageError(f"{place / 'annotations'} has none of {names}; {LAYOUTS}")
    for name, file in present.items():
        _require_own(place, SPLITS[name], file)
    chosen = [Part(name, SPLITS[name], file) for name, file in present.items()]
    require_one_layout(place, [*chosen, *(part for part in others if _is_of(split, part))])
    return place, chosen


def _of_split(parts: list[Part], split: str) -> list[Part]:
    """The parts that ``split`` selects: all, the name of a split, or a folder."""
    chosen = [part for part in parts if _is_of(split, part)]
    if not chosen:
        there = ", ".join(f"{part.split or 'no split'} ({part.folder or '.'})" for part in parts)
        raise UsageError(f"--split: there is no split {split!r}; there are all, {there}")
    return chosen


def _is_of(split: str, part: Part) -> bool:
    return split in ("all", part.split, part.folder, os.path.basename(part.folder))


def _require_own(root: Path, folder: str, file: Path) -> None:
    """Raises :class:`UsageError` unless a JSON file of COCO 2017 and its folder are there."""
    is_folder(file.parent)
    if not file.exists():
        raise UsageError(
            f"{file} is missing; it holds the licences and objects of the images: get it with `blurkit fetch coco`, "
            f"or use the images without them with --src {root / folder}"
        )
    if not is_folder(root / folder):
        raise UsageError(f"{root / folder} is missing: unpack {folder}.zip there, or use another --split")


def _records(listing: Listing, part: Part, *, masks: bool) -> Iterator[ImageRecord]:
    """Yields the photographs of one part."""
    split, folder, file, place = part.split, part.folder, part.file, listing.root / part.folder
    prefix = f"{folder}/" if folder else ""
    if folder:
        is_folder(place)
    licences: dict[int | None, str] = {None: ""}
    for entry in _entries(file, "licenses", last="licenses"):
        licences.setdefault(as_id(entry.get("id")), coco_licence(entry))
    index = index_annotations(str(file)) if masks else None
    for problem in index.problems if index else ():
        listing.pass_over(f"{prefix}{file.name}", "bad_annotation", problem)
    numbers = (as_id(entry.get("id")) for entry in _entries(file, "images", last="images"))
    ids = array("q", (number for number in numbers if number is not None))
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    repeated, files = set(values[counts > 1].tolist()), _Files(place)
    if index:
        index, message = decide_frame(index, _sizes(file, files, place))
        if message:
            listing.pass_over(f"{prefix}{file.name}", "frame", message)
    for entry in map(files.localized, _entries(file, "images")):  # reads to the end, so that an incomplete file is refused
        if reason := _fault(entry, files, repeated):
            listing.pass_over(f"{prefix}{_name(entry)}", reason)
            continue
        name, number = entry["file_name"], as_id(entry["id"])
        annotation = None
        if index and number is not None and len(index.of(number).spans):
            annotation = CocoAnnotation(index, _size(entry), number)
        licence = licences.get(as_id(entry.get("license")), "")
        image_id = path_id(f"{prefix}{name[:-4] if _OWN_NAME.fullmatch(name) else name}")
        yield ImageRecord(image_id, f"{place}/{name}", "coco", licence, split, annotation)
    not_listed = files.not_listed()
    for image in listing.entries(folder) if not_listed else ():
        if hash(image.name) in not_listed and not image.name.endswith(".json"):  # annotations may lie beside the images
            listing.pass_over(f"{prefix}{image.name}", "not_listed")


def _entries(file: Path, key: str, *, last: str | None = None) -> Iterator[Any]:
    """Yields the elements of the array at a key. An element that is no object becomes an empty one."""
    return (element.value if isinstance(element.value, dict) else {} for element in elements(file, {key}, last=last))


def _sizes(file: Path, files: _Files, place: Path) -> Iterator[tuple[str, int, tuple[Any, Any]]]:
    """Yields (path, id, size) of the images that are on the disk."""
    for entry in map(files.localized, _entries(file, "images", last="images")):
        name: Any = entry.get("file_name")
        number = as_id(entry.get("id"))
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

    def localized(self, entry: dict[str, Any]) -> dict[str, Any]:
        """An element of ``images`` with the path of its file within the folder as ``file_name``, if the file is there."""
        name: Any = entry.get("file_name")
        if not _can_be_a_name(name):
            return entry
        found = (other for other in local_names(name, self._folder.name) if self.has(other))
        return {**entry, "file_name": next(found, name)}

    def has(self, name: str) -> bool:
        """Whether the folder or one of its subfolders holds a file with this path."""
        return self._place(name) is not None or ("/" in name and os.path.isfile(os.path.join(self._folder, name)))

    def _place(self, name: str) -> int | None:
        """The place of a file of the folder itself in the sorted hashes."""
        place = bisect.bisect_left(self._present, hash(name))
        return place if place < len(self._present) and self._present[place] == hash(name) else None

    def refusal(self, name: str) -> str:
        """Returns why a listed image cannot be opened, or an empty text."""
        if (place := self._place(name)) is not None:
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
