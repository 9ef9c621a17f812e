"""Any folder of images: nested, with odd names, in an order that no locale or file system changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.disparity import SUFFIXES as SUFFIXES_OF_MAPS
from blurkit.decode.disparity import find_map
from blurkit.errors import UsageError
from blurkit.sources.listing import SUFFIXES, Listing, is_open_folder, refusal
from blurkit.sources.record import ImageRecord, Source, path_id

LAYOUT = "a folder, nested as you like, of images (.jpg, .png, .webp, .bmp, .tif, .gif)"


def open_folder(root: Path, name: str = "folder") -> Source:
    """The photographs below a folder, as a source of this name, and what else lies there.

    Links are not followed: their targets inside the folder are found by themselves, and nothing outside of it is read.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --src takes {LAYOUT}")
    listing = Listing(root)
    advice = f"; --src takes {LAYOUT}, or the name of a known source"
    return listing.source(name, _records(listing, name), f"no images in {root}", advice)


def _records(listing: Listing, source: str) -> Iterator[ImageRecord]:
    """The photographs, folder by folder. Folders may be nested deeper than functions can call each other."""
    pending = [_listed(listing, "")]
    while pending:
        inside, entries, maps = pending[-1]
        for entry in entries:  # goes on where it was left
            relative = os.path.join(inside, entry.name)
            if is_open_folder(entry):
                pending.append(_listed(listing, relative))
                break
            if not (reason := refusal(entry, SUFFIXES)):
                found = find_map(entry.name, maps)
                disparity = os.path.join(os.path.dirname(entry.path), found) if found else ""
                yield ImageRecord(path_id(relative), entry.path, source, disparity=disparity)
            elif entry.name not in maps:
                listing.pass_over(relative, reason)
        else:
            pending.pop()


def _listed(listing: Listing, inside: str) -> tuple[str, Iterator[os.DirEntry[str]], frozenset[str]]:
    """A folder by its path below the root: its entries, and the names of disparity maps that lie beside their photographs."""
    entries = listing.entries(inside)
    maps = [entry.name for entry in entries if entry.name.endswith(SUFFIXES_OF_MAPS) and entry.is_file(follow_symlinks=False)]
    parts = (os.path.splitext(entry.name) for entry in entries if maps)
    stems = {stem for stem, suffix in parts if suffix.lower() in SUFFIXES}
    return inside, iter(entries), frozenset(name for name in maps if name.rpartition(".disparity.")[0] in stems)
