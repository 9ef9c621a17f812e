"""Finds JSON files of COCO's format and the folders of their images, in the layouts in which programs export them.

Known are COCO 2014 and 2017 (``annotations/instances_val2014.json`` and ``val2014/``), CVAT
(``annotations/instances_default.json`` and ``images/default/``), Roboflow (``train/_annotations.coco.json`` beside the images),
FiftyOne (``labels.json`` and ``data/``), Label Studio (``result.json`` and ``images/``) and others like these: the file names in
a JSON file decide which folder it belongs to.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blurkit.decode.objects.json_stream import elements
from blurkit.errors import UsageError
from blurkit.sources.listing import Listing, is_open_folder

#: JSON files of a root: those in it and in its folders, at most so many. Deeper ones belong to roots inside.
_DEPTH, _FILES = 2, 200

#: Images of a JSON file whose names are looked for in a folder.
_LOOKED = 16

#: What stands before or after the name of a split in the names of JSON files.
_WORDS = "annotations?|instances?|labels?|coco"
_AFFIXES = re.compile(rf"^(?:{_WORDS}|_)+[_.-]|(?:[_.-]?(?:{_WORDS}))+$", re.IGNORECASE)

_SPLITS = {
    "train": re.compile(r"(?<![a-z])train(?:ing)?(?![a-z])"),
    "val": re.compile(r"(?<![a-z])val(?:id|idation)?(?![a-z])"),
    "test": re.compile(r"(?<![a-z])test(?:ing)?(?![a-z])"),
}


#: Names that a program gives to every JSON file. Other names differ from one file of a layout to the next.
_FIXED_NAMES = ("_annotations.coco.json", "labels.json", "result.json")

#: The folders of COCO's releases. The photographs of 2017 are those of 2014 in other splits; ``test2015`` belongs to 2014.
_RELEASE = re.compile(r"(?:train|val|test|unlabeled)(2014|2015|2017)")


@dataclass(frozen=True)
class Part:
    """A JSON file and its images. ``split``: train, val, test, or an empty text. ``folder``: of the images, relative to the root;
    an empty text for the root itself."""

    split: str
    folder: str
    file: Path

    def layout(self, root: Path) -> tuple[str, str, str]:
        """What is the same for all parts of one layout: the way from the images to the JSON file, its name if a program gives it
        to every file, and the release of COCO."""
        way = os.path.relpath(self.file.parent, root / self.folder)
        name = self.file.name if self.file.name in _FIXED_NAMES else ""
        release = _RELEASE.fullmatch(os.path.basename(self.folder))
        return way, name, release[1].replace("2015", "2014") if release else ""


def find_parts(root: Path, *, without: Collection[str] = ()) -> list[Part]:
    """The parts of a root, sorted by the bytes of their folders. ``without``: folders that are left out.

    Raises :class:`UsageError` if several JSON files list the images of one folder, and their names do not decide.
    """
    found: dict[str, list[Part]] = defaultdict(list)
    for file in itertools.islice(_json_files(root), _FILES):
        if (folder := folder_of(root, file)) is not None and folder not in without:
            names = (file.stem, os.path.basename(folder), file.parent.name if file.parent != root else "")
            splits = (split for name in names for split, word in _SPLITS.items() if word.search(name.lower()))
            found[folder].append(Part(next(splits, ""), folder, file))
    return [_only(root, parts) for _, parts in sorted(found.items(), key=lambda item: os.fsencode(item[0]))]


def require_one_layout(root: Path, parts: Sequence[Part]) -> None:
    """Raises :class:`UsageError` if parts have different layouts: they are of several datasets, which may share photographs."""
    first: dict[tuple[str, str, str], Part] = {}
    for part in parts:
        first.setdefault(part.layout(root), part)
    if len(first) > 1:
        found = " and ".join(f"{part.file.relative_to(root)} with {part.folder or '.'}" for part in first.values())
        split = next((os.path.basename(part.folder) for part in parts if part.folder), "")
        raise UsageError(
            f"{root} fits several layouts: {found}. Choose one: --split FOLDER, such as --split {split}, "
            "or --annotations FILE.json with --root and the folder of its images"
        )


def folder_of(root: Path, file: Path) -> str | None:
    """The folder that holds the first images of a JSON file, relative to the root, or None: then the file is no part of it."""
    names = list(itertools.islice(_file_names(file), _LOOKED))
    best, most = None, 0
    for folder in dict.fromkeys(_folders(root, file)):
        if (root / folder).is_dir():
            base = root / folder
            hits = sum(any(os.path.isfile(base / name) for name in local_names(each, base.name)) for each in names)
            if hits > most:
                best, most = folder, hits
    return best


def local_names(name: str, folder: str) -> list[str]:
    """The paths within a folder that a ``file_name`` may mean: as it is, or without a URL, backslashes or the folder's name."""
    found = [name]
    if "://" in name:
        found.append(os.path.basename(unquote(urlsplit(name).path)))
    plain = found[-1].replace("\\", "/")
    found += [plain, plain.removeprefix(f"{folder}/")]
    return [name for name in dict.fromkeys(found) if {"", ".", ".."}.isdisjoint(name.split("/")) and "\0" not in name]


def _file_names(file: Path) -> Iterator[str]:
    """The file names of the images in a JSON file. There are none if it is of another kind."""
    try:
        for element in elements(file, {"images"}, last="images"):
            name = element.value.get("file_name") if isinstance(element.value, dict) else None
            if isinstance(name, str) and name:
                yield name
    except UsageError:
        return


def _json_files(root: Path) -> Iterator[Path]:
    listing, pending = Listing(root), [("", 1)]
    while pending:
        inside, depth = pending.pop(0)
        for entry in listing.entries(inside):
            if is_open_folder(entry) and depth < _DEPTH:
                pending.append((os.path.join(inside, entry.name), depth + 1))
            elif entry.name.lower().endswith(".json") and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _folders(root: Path, file: Path) -> Iterator[str]:
    """Where the images of a JSON file may lie, relative to the root. The first folder with most of the images is taken."""
    core = _AFFIXES.sub("", file.stem) or file.stem
    for base in (file.parent, file.parent.parent):
        if base.is_relative_to(root):
            inside = "" if base == root else str(base.relative_to(root))
            listing = Listing(root)
            inner = [entry.name for entry in listing.entries(inside) if is_open_folder(entry)]
            for name in ("", f"images/{file.stem}", f"images/{core}", core, "data", "images", *inner):
                yield os.path.join(inside, name).rstrip(os.sep)


def _only(root: Path, parts: list[Part]) -> Part:
    chosen = parts
    if len(chosen) > 1:
        chosen = [part for part in parts if part.file.name.startswith("instances")] or [
            part for part in parts if part.folder and part.file.stem.endswith(os.path.basename(part.folder))
        ]
    if len(chosen) != 1:
        files = ", ".join(str(part.file) for part in parts[:4])
        raise UsageError(f"{files} list the images of {root / parts[0].folder}; name one of them with --annotations FILE")
    return chosen[0]
