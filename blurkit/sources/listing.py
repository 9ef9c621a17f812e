"""Lists the folders of a source, in an order that does not depend on locale or file system, and notes the entries left out."""

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

#: The suffixes of photographs. The decoder checks the bytes later.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".heif")
)

#: Reason for the ledger -> sentence, for entries that are left out.
REASONS = {
    "link": "a symbolic link; links are not followed, but the folder of the link's target can be a source",
    "hidden": "its name starts with a dot",
    "no_image_name": "its name does not end like that of an image",
    "not_a_file": "not a regular file",
    "unreadable": "the folder cannot be read",
}


@dataclass
class Listing:
    """Lists the folders of one source, and collects the entries that are left out in ``passed_over``.

    All paths are relative to ``root``. ``reasons``: reason -> sentence.
    """

    root: Path
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)
    passed_over: list[PassedOver] = field(default_factory=list)

    def pass_over(self, relative: str, reason: str, message: str = "", *, path: str = "") -> None:
        """Adds an entry to ``passed_over``. ``message``: by default the reason's sentence. ``path``: by default ``relative``."""
        path = path or str(self.root / relative)
        self.passed_over.append(PassedOver(path_id(relative), path, reason, message or self.reasons[reason]))

    def entries(self, inside: str, key: Callable[[str], Any] = os.fsencode) -> list[os.DirEntry[str]]:
        """Returns the entries of a folder, sorted by ``key`` of their names, by default by their bytes.

        If a folder cannot be read, it is added to ``passed_over`` and the list is empty. For the root, ``""``, the ``OSError`` is
        raised.
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
        """Yields the regular files of a folder with one of the suffixes. All other entries are added to ``passed_over``."""
        for entry in self.entries(inside):
            if reason := refusal(entry, suffixes):
                self.pass_over(f"{inside}/{entry.name}", reason)
            else:
                yield entry

    def source(self, name: str, records: Iterable[ImageRecord], nothing: str, advice: str = "") -> Source:
        """Returns the source of these records.

        Raises :class:`UsageError` if there are no records. Its message is ``nothing``, what was found instead, and ``advice``.
        """
        table = RecordTable(records)
        if not len(table):
            counts = collections.Counter(entry.reason for entry in self.passed_over).most_common()
            found = ", ".join(f"{count} {reason}" for reason, count in counts) or "nothing"
            raise UsageError(f"{nothing} (found: {found}){advice}")
        return Source(name, self.root, table, self.passed_over)


def is_open_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder to be listed: no link, and not hidden."""
    return entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")


def refusal(entry: os.DirEntry[str], suffixes: Collection[str]) -> str:
    """Returns why an entry is not opened, a key of :data:`REASONS`, or an empty text for a regular file with such a suffix."""
    if entry.is_symlink():
        return "link"
    if entry.name.startswith("."):
        return "hidden"
    if os.path.splitext(entry.name)[1].lower() not in suffixes:
        return "no_image_name"
    return "" if entry.is_file(follow_symlinks=False) else "not_a_file"
