"""What lies in a folder: entries in an order that no locale or file system changes, and why one of them is not opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from blurkit.sources.record import PassedOver, path_id

#: File names that are taken for photographs. What the bytes are is found out when they are decoded.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".heif")
)

#: Why an entry is passed over, for the ledger.
REASONS = {
    "link": "a symbolic link; links are not followed, their target's folder can be a source of its own",
    "hidden": "its name starts with a dot",
    "no_image_name": "its name does not end like that of an image",
    "not_a_file": "not a regular file",
    "unreadable": "the folder cannot be read",
}


def entries_of(folder: str | Path, key: Callable[[str], Any] = os.fsencode) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by a key of their names, by default by their bytes."""
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: key(entry.name))


def refusal(entry: os.DirEntry[str], suffixes: Collection[str] = SUFFIXES) -> str:
    """Why an entry is not opened, a key of :data:`REASONS`; empty for a regular file whose name has one of the suffixes."""
    if entry.is_symlink():
        return "link"
    if entry.name.startswith("."):
        return "hidden"
    if os.path.splitext(entry.name)[1].lower() not in suffixes:
        return "no_image_name"
    return "" if entry.is_file(follow_symlinks=False) else "not_a_file"


def pass_over(relative: str, path: str, reason: str, message: str = "") -> PassedOver:
    """An entry that is not opened, by its path below the source's root, for one of :data:`REASONS` or with a sentence."""
    return PassedOver(path_id(relative), path, reason, message or REASONS[reason])
