"""Opens GOPRO_Large as a source: sharp frames of a camera at 240 frames a second, with real blur (Nah et al., CVPR 2017).

Each blurred photograph is the mean of 7 to 13 frames. ``blur`` holds means of encoded values. ``blur_gamma`` holds means of
values whose gamma of 2.2 was removed. A network's scores depend on the kind on which it was trained, so the two kinds are never
mixed. The clip of a pair is its folder ``sharp``. Its frames are the middle frames of successive means, not successive frames of
the camera.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.place import ImagePlace
from blurkit.decode.video import FrameFolder
from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.listing import REASONS, Listing
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "train", "test": "test"}
LICENCE = "CC-BY-4.0"

SHARP = "sharp"
BLURRED = ("blur", "blur_gamma")

_REASONS = REASONS | {"no_sequence": "no folder named GOPR*"}


def open_gopro(root: Path | None, split: str) -> Source:
    """Returns the pairs of ``split``: ``all``, ``train`` or ``test``. Ids are ``train/GOPR0372_07_00/000047``.

    A record is the sharp frame, and its ``blurred`` has the means that exist. No file is opened. Raises :class:`UsageError` if
    there is no pair, or if the dataset has no such split.
    """
    folders = choose_splits(split, SPLITS, "gopro")
    listing = Listing(find_root("gopro", root, folders), _REASONS)
    records = (
        record
        for folder in folders
        if is_folder(listing.root / folder)
        for sequence in _sequences(listing, folder)
        for record in _pairs(listing, sequence, folder)
    )
    looked = ", ".join(str(listing.root / folder / "GOPR*") for folder in folders)
    advice = "; a pair is sharp/NNNNNN.png with blur/NNNNNN.png or blur_gamma/NNNNNN.png, and links are not followed"
    return listing.source("gopro", records, f"no pairs of a sharp and a blurred frame in {looked}", advice)


def _sequences(listing: Listing, split: str) -> Iterator[str]:
    """Yields the folders of one split, such as ``train/GOPR0372_07_00``, sorted by bytes."""
    for entry in listing.entries(split):
        relative = f"{split}/{entry.name}"
        if entry.name.startswith("GOPR") and entry.is_dir(follow_symlinks=False):
            yield relative
        else:
            listing.pass_over(relative, "link" if entry.is_symlink() else "no_sequence")


def _pairs(listing: Listing, sequence: str, split: str) -> Iterator[ImageRecord]:
    names: dict[str, list[str]] = {kind: [] for kind in (SHARP, *BLURRED)}
    for entry in listing.entries(sequence):
        inside = f"{sequence}/{entry.name}"
        if entry.name in names and entry.is_symlink():
            listing.pass_over(inside, "link")
        elif entry.name in names and entry.is_dir(follow_symlinks=False):
            names[entry.name] = [frame.name for frame in listing.files(inside, (".png",))]
    present = {kind: set(found) for kind, found in names.items()}
    clip = FrameFolder(str(listing.root / sequence / SHARP), tuple(names[SHARP]))
    places = {name: place for place, name in enumerate(clip.names)}
    for name in sorted(set().union(*present.values()), key=os.fsencode):
        folder = listing.root / sequence
        blurred = tuple((kind, ImagePlace(str(folder / kind / name))) for kind in BLURRED if name in present[kind])
        key, path = f"{sequence}/{os.path.splitext(name)[0]}", os.path.join(clip.folder, name)
        if name not in places:
            listing.pass_over(key, "unpaired", "there is no sharp frame for its blurred frame", path=blurred[0][1].path)
        elif not blurred:
            listing.pass_over(key, "unpaired", f"there is no {' or '.join(BLURRED)} for its sharp frame", path=path)
        else:
            yield ImageRecord(path_id(key), path, "gopro", LICENCE, split, blurred=blurred, clip=clip, frame=places[name])
