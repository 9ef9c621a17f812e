"""Any folder of images: nested, with odd names, in an order that no locale or file system changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id

#: File names that are taken for photographs. What the bytes are is found out when they are decoded.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".heif")
)

LAYOUT = f"a folder, nested as you like, of images ({', '.join(sorted(SUFFIXES))})"


def open_folder(root: Path) -> Source:
    """The photographs below a folder. Hidden files and files with other names are left alone.

    Links are not followed: their targets inside the folder are found by themselves, and nothing outside of it is read.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --src takes {LAYOUT}")
    records, passed_over, others = [], [], 0
    for relative, entry in _walk(root):
        image_like = os.path.splitext(entry.name)[1].lower() in SUFFIXES
        reason = _reason(entry)
        if reason is None and image_like:
            records.append(ImageRecord(path_id(relative), entry.path, "folder"))
        elif reason is not None and (image_like or reason == "unreadable"):
            passed_over.append(PassedOver(path_id(relative), entry.path, reason))
        else:
            others += 1
    if not records:
        raise UsageError(
            f"no images in {root}: {others} other files, {len(passed_over)} links or unreadable entries. "
            f"--src takes {LAYOUT}, or the name of a known source"
        )
    return Source("folder", root, records, passed_over)


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every visible entry that is not a readable folder, with its relative path, sorted by bytes within each folder."""
    pending: list[tuple[str, os.DirEntry[str] | None]] = [("", None)]
    while pending:
        relative, entry = pending.pop()
        if entry is not None and not entry.is_dir(follow_symlinks=False):
            yield relative, entry
            continue
        try:
            with os.scandir(root / relative) as entries:
                visible = [inner for inner in entries if not inner.name.startswith(".")]
        except OSError:
            if entry is None:
                raise
            yield relative, entry
            continue
        visible.sort(key=lambda inner: os.fsencode(inner.name), reverse=True)
        pending += [(os.path.join(relative, inner.name), inner) for inner in visible]


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Why an entry is not opened, or ``None`` for a plain file."""
    if entry.is_symlink():
        return "link"
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        return "unreadable"
    return None if stat.S_ISREG(mode) else "not_a_file"
