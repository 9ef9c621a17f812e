"""Any folder of images: nested, with odd names, in an order that no locale or file system changes."""

from __future__ import annotations

import collections
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.disparity import SUFFIXES as SUFFIXES_OF_MAPS
from blurkit.decode.disparity import find_map
from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

#: File names that are taken for photographs. What the bytes are is found out when they are decoded.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".heif")
)

LAYOUT = "a folder, nested as you like, of images (.jpg, .png, .webp, .bmp, .tif, .gif)"


#: Why an entry is passed over, for the ledger.
REASONS = {
    "link": "a symbolic link; links are not followed, their target's folder can be a source of its own",
    "hidden": "its name starts with a dot",
    "no_image_name": "its name does not end like that of an image",
    "not_a_file": "not a regular file",
    "unreadable": "the folder cannot be read",
}


def open_folder(root: Path, name: str = "folder") -> Source:
    """The photographs below a folder, as a source of this name, and what else lies there.

    Links are not followed: their targets inside the folder are found by themselves, and nothing outside of it is read.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --src takes {LAYOUT}")
    passed_over: list[PassedOver] = []
    records = RecordTable(_records(root, name, passed_over))
    if not len(records):
        counts = collections.Counter(entry.reason for entry in passed_over)
        found = ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "nothing"
        raise UsageError(f"no images in {root} (found: {found}); --src takes {LAYOUT}, or the name of a known source")
    return Source(name, root, records, passed_over)


def _records(root: Path, name: str, passed_over: list[PassedOver]) -> Iterator[ImageRecord]:
    for relative, entry, maps in _walk(root):
        reason = _reason(entry)
        if reason is None:
            found = find_map(entry.name, maps)
            disparity = os.path.join(os.path.dirname(entry.path), found) if found else ""
            yield ImageRecord(path_id(relative), entry.path, name, disparity=disparity)
        elif entry.name not in maps:
            passed_over.append(PassedOver(path_id(relative), entry.path, reason, REASONS[reason]))


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str], frozenset[str]]]:
    """Every entry that is not a folder to be walked, with its relative path, sorted by bytes within each folder; and the names of
    the disparity maps beside it."""
    pending: list[tuple[str, os.DirEntry[str] | None, frozenset[str]]] = [("", None, frozenset())]
    while pending:
        relative, entry, maps = pending.pop()
        if entry is not None and (entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False)):
            yield relative, entry, maps
            continue
        try:
            with os.scandir(root / relative) as found:
                entries = sorted(found, key=lambda inner: os.fsencode(inner.name), reverse=True)
        except OSError:
            if entry is None:
                raise
            yield relative, entry, maps
            continue
        maps = _maps(entries)
        pending += [(os.path.join(relative, inner.name), inner, maps) for inner in entries]


def _maps(entries: list[os.DirEntry[str]]) -> frozenset[str]:
    """The names of disparity maps that lie beside their photographs."""
    maps = [entry.name for entry in entries if entry.name.endswith(SUFFIXES_OF_MAPS) and entry.is_file(follow_symlinks=False)]
    if not maps:
        return frozenset()
    stems = {stem for stem, suffix in (os.path.splitext(entry.name) for entry in entries) if suffix.lower() in SUFFIXES}
    return frozenset(name for name in maps if name.rpartition(".disparity.")[0] in stems)


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Why an entry is not opened, a key of :data:`REASONS`, or ``None`` for a photograph."""
    if entry.is_symlink():
        return "link"
    if entry.name.startswith("."):
        return "hidden"
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        return "unreadable"
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
        return "no_image_name"
    return None if stat.S_ISREG(mode) else "not_a_file"
