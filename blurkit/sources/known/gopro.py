"""GOPRO_Large: sharp frames of a camera at 240 a second, each with the real mean of its neighbours (Nah et al., CVPR 2017).

``blur`` holds means of the frames as encoded, ``blur_gamma`` means of the frames with a gamma of 2.2 undone; which one a network
was trained on decides its figures, so they are never mixed. The clip of a pair is its folder ``sharp``, whose frames are the
middles of successive means of 7 to 13 frames, not successive frames of the camera.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.video import FrameFolder
from blurkit.errors import UsageError
from blurkit.sources.known.manifest import OF_SOURCE, load_manifest
from blurkit.sources.known.place import choose_splits, find_root, images_in, is_folder
from blurkit.sources.listing import entries_of, pass_over
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

SPLITS = {"train": "train", "test": "test"}
LICENCE = "CC-BY-4.0"

SHARP = "sharp"
BLURRED = ("blur", "blur_gamma")


def open_gopro(root: Path | None, split: str) -> Source:
    """The ready pairs of ``split``: ``all``, ``train`` or ``test``. Ids are ``train/GOPR0372_07_00/000047``.

    A record is the sharp frame; ``blurred`` has the means that are there. Folders are listed and no file is opened. Raises
    :class:`UsageError` where no pair is there, or a split is asked for that the dataset does not have.
    """
    folders = choose_splits(split, SPLITS, "gopro")
    place = find_root("gopro", root, load_manifest(OF_SOURCE["gopro"]), folders)
    passed_over: list[PassedOver] = []
    records = RecordTable(
        record
        for folder in folders
        if is_folder(place / folder)
        for sequence in _sequences(place, folder, passed_over)
        for record in _pairs(place, sequence, folder, passed_over)
    )
    if not len(records):
        looked = ", ".join(str(place / folder / "GOPR*") for folder in folders)
        raise UsageError(
            f"no pairs of a sharp and a blurred frame in {looked}; a pair is sharp/NNNNNN.png with blur/NNNNNN.png or "
            "blur_gamma/NNNNNN.png, and links are not followed"
        )
    return Source("gopro", place, records, passed_over)


def _sequences(root: Path, split: str, passed_over: list[PassedOver]) -> Iterator[str]:
    """The folders of one split, as ``train/GOPR0372_07_00``, sorted by bytes."""
    for entry in _listing(root, split, passed_over):
        relative = f"{split}/{entry.name}"
        if entry.is_symlink():
            passed_over.append(pass_over(relative, entry.path, "link"))
        elif entry.name.startswith("GOPR") and entry.is_dir(follow_symlinks=False):
            yield relative
        else:
            passed_over.append(pass_over(relative, entry.path, "no_sequence", "no folder named GOPR*"))


def _pairs(root: Path, sequence: str, split: str, passed_over: list[PassedOver]) -> Iterator[ImageRecord]:
    inside = {entry.name: entry for entry in _listing(root, sequence, passed_over)}
    names: dict[str, list[str]] = {}
    for kind in (SHARP, *BLURRED):
        entry = inside.get(kind)
        names[kind] = []
        if entry is not None and entry.is_symlink():
            passed_over.append(pass_over(f"{sequence}/{kind}", entry.path, "link"))
        elif entry is not None and entry.is_dir(follow_symlinks=False):
            names[kind] = list(_names(root, f"{sequence}/{kind}", passed_over))
    present = {kind: set(found) for kind, found in names.items()}
    clip = FrameFolder(str(root / sequence / SHARP), tuple(names[SHARP]))
    places = {name: place for place, name in enumerate(names[SHARP])}
    for name in sorted(set().union(*present.values()), key=os.fsencode):
        blurred = tuple((kind, str(root / sequence / kind / name)) for kind in BLURRED if name in present[kind])
        key, path = path_id(f"{sequence}/{os.path.splitext(name)[0]}"), os.path.join(clip.folder, name)
        if name in present[SHARP] and blurred:
            yield ImageRecord(key, path, "gopro", LICENCE, split, blurred=blurred, clip=clip, frame=places[name])
        else:
            lack = (
                f"no {' or '.join(BLURRED)} for its sharp frame"
                if name in present[SHARP]
                else "no sharp frame for its blurred one"
            )
            passed_over.append(PassedOver(key, path if name in present[SHARP] else blurred[0][1], "unpaired", f"there is {lack}"))


def _names(root: Path, folder: str, passed_over: list[PassedOver]) -> Iterator[str]:
    try:
        for name in images_in(root / folder, (".png",), folder):
            if isinstance(name, str):
                yield name
            else:
                passed_over.append(name)
    except PermissionError:
        passed_over.append(pass_over(folder, str(root / folder), "unreadable"))


def _listing(root: Path, folder: str, passed_over: list[PassedOver]) -> list[os.DirEntry[str]]:
    try:
        return entries_of(root / folder)
    except PermissionError:
        passed_over.append(pass_over(folder, str(root / folder), "unreadable"))
        return []
