"""What lies below the root of a source, in an order that no locale or file system changes, and why an entry is not opened."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

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


@dataclass
class Listing:
    """The folders of one source, by their paths below its ``root``. ``reasons``: a sentence for each."""

    root: Path
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)
    passed_over: list[PassedOver] = field(default_factory=list)

    def pass_over(self, relative: str, reason: str, message: str = "", *, path: str = "") -> None:
        """Note why an entry is not used, in a ``message`` or the reason's sentence. ``path``: the file, where it is another."""
        path = path or str(self.root / relative)
        self.passed_over.append(PassedOver(path_id(relative), path, reason, message or self.reasons[reason]))

    def entries(self, inside: str, key: Callable[[str], Any] = os.fsencode) -> list[os.DirEntry[str]]:
        """The entries of a folder, sorted by a key of their names, by default by their bytes.

        A folder that cannot be read is passed over and has none; of the root itself, ``""``, the ``OSError`` comes through.
        """
        try:
            with os.scandir(self.root / inside) as found:
                return sorted(found, key=lambda entry: key(entry.name))
        except OSError:
            if not inside:
                raise
            self.pass_over(inside, "unreadable")
            return []

    def files(self, inside: str, suffixes: Collection[str]) -> Iterator[os.DirEntry[str]]:
        """The regular files of a flat folder whose names have one of the suffixes; what else lies there is passed over."""
        for entry in self.entries(inside):
            if reason := refusal(entry, suffixes):
                self.pass_over(f"{inside}/{entry.name}", reason)
            else:
                yield entry

    def source(self, name: str, records: Iterable[ImageRecord], nothing: str, advice: str = "") -> Source:
        """The source of these records. Raises :class:`UsageError` where there are none, with what was found instead."""
        table = RecordTable(records)
        if not len(table):
            counts = collections.Counter(entry.reason for entry in self.passed_over).most_common()
            found = ", ".join(f"{count} {reason}" for reason, count in counts) or "nothing"
            raise UsageError(f"{nothing} (found: {found}){advice}")
        return Source(name, self.root, table, self.passed_over)


def is_open_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder to be looked into: no link, and not hidden."""
    return entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")


def refusal(entry: os.DirEntry[str], suffixes: Collection[str]) -> str:
    """Why an entry is not opened, a key of :data:`REASONS`; empty for a regular file whose name has one of the suffixes."""
    if entry.is_symlink():
        return "link"
    if entry.name.startswith("."):
        return "hidden"
    if os.path.splitext(entry.name)[1].lower() not in suffixes:
        return "no_image_name"
    return "" if entry.is_file(follow_symlinks=False) else "not_a_file"
