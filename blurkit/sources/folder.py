"""Opens a folder of images as a source. The folder may contain folders, and any names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.disparity import SUFFIXES as SUFFIXES_OF_MAPS
from blurkit.decode.disparity import find_map
from blurkit.errors import UsageError
from blurkit.sources.listing import SUFFIXES, VIDEO_SUFFIXES, Listing, is_open_folder
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.table import RecordTable

LAYOUT = "a folder, nested as you like, of images (.jpg, .png, .webp, .bmp, .tif, .gif)"


def open_folder(root: Path, name: str = "folder") -> Source:
    """Returns the photographs below a folder as a source called ``name``.

    Links are not followed. Targets inside the folder are found anyway, and nothing outside of the folder is read. If ``root`` is
    the file of an image, the source is this one photograph. Raises :class:`UsageError` if there is no folder, or no image in it.
    """
    if root.is_file():
        return _one_photograph(root, name)
    if not root.is_dir():
        kind = "file" if root.suffix.lower() in SUFFIXES else "folder"
        raise UsageError(f"{root}: no such {kind}; --src takes {LAYOUT}")
    listing = Listing(root)
    advice = f"; --src takes {LAYOUT}, or the name of a known source"
    return listing.source(name, _records(listing, name), f"no images in {root}", advice)


def _one_photograph(file: Path, name: str) -> Source:
    suffix = file.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        raise UsageError(f"{file} is a video: use --src video --root {file}")
    if suffix not in SUFFIXES:
        raise UsageError(f"{file} does not have a name like that of an image; --src takes an image, or {LAYOUT}")
    maps = frozenset(file.stem + ending for ending in SUFFIXES_OF_MAPS if file.with_name(file.stem + ending).is_file())
    disparity = str(file.with_name(found)) if (found := find_map(file.name, maps)) else ""
    return Source(name, file, RecordTable([ImageRecord(path_id(file.name), str(file), name, disparity=disparity)]))


def _records(listing: Listing, source: str) -> Iterator[ImageRecord]:
    """Yields the photographs, folder by folder. A stack replaces recursion, because folders may be nested very deeply."""
    pending = [_listed(listing, "")]
    while pending:
        inside, entries, maps = pending[-1]
        for entry in entries:  # continues after the entry of the last subfolder
            relative = os.path.join(inside, entry.name)
            if is_open_folder(entry):
                pending.append(_listed(listing, relative))
                break
            if entry.name not in maps and listing.takes_foreign(inside, entry, SUFFIXES):
                found = find_map(entry.name, maps)
                disparity = os.path.join(os.path.dirname(entry.path), found) if found else ""
                yield ImageRecord(path_id(relative), entry.path, source, disparity=disparity)
        else:
            pending.pop()


def _listed(listing: Listing, inside: str) -> tuple[str, Iterator[os.DirEntry[str]], frozenset[str]]:
    """Returns the path of a folder, its entries, and the names of the disparity maps that have a photograph."""
    entries = listing.entries(inside)
    maps = [entry.name for entry in entries if entry.name.endswith(SUFFIXES_OF_MAPS) and entry.is_file(follow_symlinks=False)]
    parts = (os.path.splitext(entry.name) for entry in entries if maps)
    stems = {stem for stem, suffix in parts if suffix.lower() in SUFFIXES}
    return inside, iter(entries), frozenset(name for name in maps if name.rpartition(".disparity.")[0] in stems)
