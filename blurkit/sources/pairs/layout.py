"""Finds the pairs of a folder: by a list, by two folders, by the halves of images, or by the names of files and folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurkit.decode.image_arrays import ARRAY, ARRAYS, array_names
from blurkit.decode.place import ImagePlace
from blurkit.errors import UsageError
from blurkit.program.checks import require
from blurkit.program.progress import plural
from blurkit.sources.listing import SUFFIXES, Listing, is_open_folder
from blurkit.sources.pairs.lists import SUFFIX, find_lists, read_list
from blurkit.sources.pairs.names import FilePair, match_names, words_of
from blurkit.sources.record import PassedOver

#: Reasons for the ledger -> sentence, for files in no pair.
NO_PAIR = {
    "unpaired": "its name makes no pair with the name of another",
    "unlisted": "no list of pairs names it",
    "missing": "a list of pairs names it or its partner, which is not there",
}

_SUFFIXES = SUFFIXES | {ARRAY, ARRAYS}


@dataclass(frozen=True)
class PairLayout:
    """What the user says about a folder of pairs. ``blurred``, ``sharp``: the two sides, both or none: folders, as paths relative
    to it, or names of folders at any depth, such as ``blur_gamma`` and ``sharp``. ``side_by_side``: each image holds a pair, with
    the blurred half at the left. Raises :class:`UsageError` for what does not go together."""

    blurred: str = ""
    sharp: str = ""
    side_by_side: bool = False

    def __post_init__(self) -> None:
        sides = [os.path.normpath(side) if side else "" for side in (self.blurred, self.sharp)]
        require(all(sides) or not any(sides), "name both sides: --blurred DIR --sharp DIR")
        require(not (sides[0] and self.side_by_side), "--side-by-side does not go with --blurred and --sharp")
        inside = not any(side.startswith((os.sep, os.pardir)) for side in sides)
        require(inside, f"{' and '.join(sides)}: name folders inside of the folder of the pairs, relative to it")
        require(not sides[0] or sides[0] != sides[1], f"--blurred and --sharp are both {sides[0]}")

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> PairLayout:
        """The layout that the configuration of a plan states. Raises :class:`UsageError` if it is something else."""
        stated = {name: configuration[name] for name in ("blurred", "sharp", "side_by_side") if name in configuration}
        valid = all(type(value) is (bool if name == "side_by_side" else str) for name, value in stated.items())
        require(valid, f"the plan states a layout of pairs that is not understood: {stated}")
        return cls(**stated)

    @classmethod
    def of_two_folders(cls, blurred: str, sharp: str) -> tuple[Path, PairLayout]:
        """The folder that holds two folders, which may be anywhere, and the layout of their pairs."""
        require(bool(blurred and sharp), "name the FOLDER of the pairs, or both sides: --blurred DIR --sharp DIR")
        root = os.path.commonpath([os.path.abspath(side) for side in (blurred, sharp)])
        return Path(root), cls(os.path.relpath(blurred, root), os.path.relpath(sharp, root))


#: Nothing is said: the names decide.
BY_NAMES = PairLayout()


@dataclass(frozen=True)
class PairFolder:
    """``pairs``: in the order of the bytes of the blurred paths. ``kind``: how they were found, for people. ``passed_over``:
    files that are in no pair, and other entries that are left out. ``archives``: the files with several arrays. A path into
    such a file continues with the name of the array."""

    root: Path
    pairs: list[FilePair]
    kind: str = ""
    passed_over: list[PassedOver] = field(default_factory=list)
    archives: frozenset[str] = frozenset()

    def place(self, name: str, half: str = "") -> ImagePlace:
        """Where the image of this path is stored."""
        for archive in self.archives:
            if name.startswith(archive + os.sep):
                return ImagePlace(str(self.root / archive), name[len(archive) + 1 :], half=half)
        return ImagePlace(str(self.root / name), half=half)


def find_pairs(path: Path, layout: PairLayout = BY_NAMES) -> PairFolder:
    """The pairs in a folder, or those of a list of pairs and the folder that it lies in.

    Raises :class:`UsageError` if there is no folder, if a folder in it may not be read, if it has no pairs, if an image of one
    side has no partner, or if an image has two possible partners. Raises :class:`blurkit.errors.BadImageError` if a file of
    arrays cannot be read.
    """
    is_list = path.is_file() and path.suffix.lower() == SUFFIX
    root = path.parent if is_list else path
    files, passed_over = list_files(root)
    archives = frozenset(name for name in files if Path(name).suffix.lower() == ARRAYS)
    names = [entry for name in files for entry in (_arrays(root, name) if name in archives else [name])]
    listing = Listing(root, NO_PAIR, passed_over)
    lists = [path] if is_list else find_lists(root) if layout == BY_NAMES else []
    kind, reason = "", "unpaired"
    if lists:
        kind, reason = f"lists, {', '.join(entry.name for entry in lists)}", "unlisted"
        pairs, lone = _listed(lists, names, listing)
        nothing = f"{path}: none of its images is in {root}; put the list into the folder of the images"
        require(bool(pairs) or not is_list, nothing)
    if layout.side_by_side:
        kind, pairs, lone = "halves of images", [FilePair(name, name) for name in names], {}
    elif layout.blurred:
        kind, (pairs, lone) = f"folders, {layout.blurred} beside {layout.sharp}", _two_sides(root, names, layout)
    elif not lists or not pairs:  # the lists of another folder, or of images that are not here yet
        reason, (pairs, lone) = "unpaired", match_names(root, names)
        kind = f"names, {words_of(pairs)}"
    for name, message in lone.items():
        listing.pass_over(name, reason, message)
    return PairFolder(root, sorted(pairs, key=lambda pair: os.fsencode(pair.blurred)), kind, listing.passed_over, archives)


def list_files(root: Path, suffixes: Collection[str] = _SUFFIXES) -> tuple[list[str], list[PassedOver]]:
    """The files below a folder with one of the suffixes, sorted by the bytes of their paths, and the entries left out.

    Raises :class:`UsageError` if there is no folder, if a folder in it may not be read, or if there is no such file.
    """
    require(root.is_dir(), f"{root}: no such folder")
    listing, pending, found = Listing(root), [""], []
    while pending:
        inside = pending.pop()
        for entry in listing.entries(inside):
            relative = os.path.join(inside, entry.name)
            if is_open_folder(entry):
                pending.append(relative)
            elif listing.takes_foreign(inside, entry, suffixes):
                found.append(relative)
    closed = [entry.path for entry in listing.passed_over if entry.reason == "unreadable"]
    if closed:
        raise UsageError(f"{closed[0]}: permission to read the folder is denied; pairs may be in it")
    if not found:
        links = sum(entry.reason == "link" for entry in listing.passed_over)
        raise UsageError(f"no images in {root}" + (f"; {plural(links, 'symbolic link')} not followed" if links else ""))
    return sorted(found, key=os.fsencode), listing.passed_over


def _arrays(root: Path, name: str) -> list[str]:
    """The paths of the arrays in a file of several."""
    return [os.path.join(name, key) for key in array_names(str(root / name))]


def _listed(lists: list[Path], names: list[str], listing: Listing) -> tuple[list[FilePair], dict[str, str]]:
    """The pairs of some lists, without repetitions, and the other files."""
    files, found = set(names), dict[tuple[str, str], FilePair]()
    for path in lists:
        pairs, missing = read_list(path, files)
        for pair in pairs:
            found.setdefault((pair.blurred, pair.sharp), pair)
        for line in missing:
            listing.pass_over(line[1], "missing", f"{path.name} names it, and it or its partner is not there")
    sharp_of: dict[str, str] = {}
    for pair in found.values():
        first = sharp_of.setdefault(os.path.splitext(pair.blurred)[0], pair.sharp)
        several = f"the lists name {pair.blurred} with {first} and with {pair.sharp}; name one of the lists instead of the folder"
        require(first == pair.sharp, several)
    used = {name for pair in found.values() for name in (pair.blurred, pair.sharp)}
    return list(found.values()), {name: "" for name in names if name not in used}


def _two_sides(root: Path, names: list[str], layout: PairLayout) -> tuple[list[FilePair], dict[str, str]]:
    """The pairs of two folders, or of folders with two names. Their paths are equal except for these folders and the suffix, or
    differ in words for the two sides. Other files are in no pair."""
    blurred, sharp = (_inside(root, names, side) for side in (layout.blurred, layout.sharp))
    other = {stem: name for name, stem in sharp.items()}
    pairs = [FilePair(name, other[stem]) for name, stem in blurred.items() if stem in other]
    for side, found in ((layout.blurred, blurred), (layout.sharp, sharp)):
        twice = f"{root}: two images of {side} have the same name, without their suffixes"
        require(len(set(found.values())) == len(found), twice)
    if not pairs:  # such as 1_B in one folder and 1_S in the other: the words of the folders are replaced by plain ones
        plain = {os.path.join("blur", os.path.relpath(stem, os.sep)): name for name, stem in blurred.items()}
        plain |= {os.path.join("sharp", os.path.relpath(stem, os.sep)): name for name, stem in sharp.items()}
        matched, _ = match_names(root, [f"{name}.png" for name in plain])
        pairs = [FilePair(plain[pair.blurred[:-4]], plain[pair.sharp[:-4]]) for pair in matched]
    used = {name for pair in pairs for name in (pair.blurred, pair.sharp)}
    beside = "it is in neither of the folders that were named"
    lone = {name: "the other side has no image of this name" if name in blurred or name in sharp else beside for name in names}
    return pairs, {name: why for name, why in lone.items() if name not in used}


def _inside(root: Path, names: list[str], side: str) -> dict[str, str]:
    """The files of one side, each with its path in lower case without the suffix, in which the folder is replaced by ``/``."""
    side = os.path.normpath(side)
    start = "" if side == os.curdir else side + os.sep
    anywhere = not (root / side).is_dir()
    found = {}
    for name in names:
        first = f"{os.sep}{name}".find(f"{os.sep}{start}") if anywhere else 0
        if first >= 0 and name.startswith(start, first):
            found[name] = os.path.splitext(f"{name[:first]}{os.sep}{name[first + len(start) :]}")[0].lower()
    require(bool(found), f"no images in {root / side}, and no folder {side} with images in {root}")
    return found
