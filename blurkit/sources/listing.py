"""Lists the folders of a source, in an order that does not depend on locale or file system, and notes the entries left out."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurkit.errors import UsageError
from blurkit.sources.ours import is_output, is_picture
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

#: The suffixes of photographs. The decoder checks the bytes later.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".heif")
)

#: The suffixes of videos. The decoder checks the bytes later.
VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".ts", ".mts", ".m2ts", ".m2t", ".mpg")
) | frozenset((".mpeg", ".mpe", ".vob", ".ogv", ".wmv", ".asf", ".flv"))

#: Folders that systems and programs put beside photographs, in lower case: thumbnails, deleted files, copies of an archive.
SYSTEM_FOLDERS = frozenset(
    (
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "$recycle.bin", "recycler"),
        *("system volume information", "lost+found", "~snapshot"),
    )
)

#: Reason for the ledger -> sentence, for entries that are left out.
REASONS = {
    "link": "a symbolic link; links are not followed, but the folder of the link's target can be a source",
    "hidden": "its name starts with a dot, or it is a folder of the system, such as @eaDir",
    "no_image_name": "its name does not end like that of an image",
    "not_a_file": "not a regular file",
    "unreadable": "permission to read the folder is denied, so the photographs in it are missing",
}


@dataclass
class Listing:
    """Lists the folders of one source, and collects the entries that are left out in ``passed_over``.

    All paths are relative to ``root``. ``reasons``: reason -> sentence. ``outputs``: what blurkit and trainer made. It is not in
    ``passed_over``, because the ledger of a dataset must not depend on whether its own folder existed when the run began.
    """

    root: Path
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)
    passed_over: list[PassedOver] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def pass_over(self, relative: str, reason: str, message: str = "", *, path: str = "") -> None:
        """Adds an entry to ``passed_over``. ``message``: by default the reason's sentence. ``path``: by default ``relative``."""
        path = path or str(self.root / relative)
        self.passed_over.append(PassedOver(path_id(relative), path, reason, message or self.reasons[reason]))

    def entries(self, inside: str, key: Callable[[str], Any] = os.fsencode) -> list[os.DirEntry[str]]:
        """Returns the entries of a folder, sorted by ``key`` of their names, by default by their bytes.

        If permission is refused, the folder is added to ``passed_over`` and the list is empty. For the root, ``""``, the error is
        raised. Any other ``OSError`` is raised for every folder: a disk that fails must not make a source smaller. The list is
        also empty for a folder below the root that blurkit or trainer made.
        """
        folder = str(self.root / inside)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: key(entry.name))
        except PermissionError:
            if not inside:
                raise
            self.pass_over(inside, "unreadable")
            return []
        if inside and is_output(folder, {entry.name for entry in entries}):
            self.outputs.append(folder)
            return []
        return entries

    def takes(self, inside: str, entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
        """Whether an entry of a folder is a regular file with one of the suffixes. Otherwise it is added to ``passed_over``."""
        if reason := refusal(entry, suffixes):
            self.pass_over(os.path.join(inside, entry.name), reason)
        return not reason

    def takes_foreign(self, inside: str, entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
        """As :meth:`takes`, and the file is no picture that blurkit or trainer drew. Otherwise it is added to ``outputs``."""
        if not self.takes(inside, entry, suffixes):
            return False
        if is_picture(entry.path):
            self.outputs.append(entry.path)
            return False
        return True

    def files(self, inside: str, suffixes: Collection[str]) -> Iterator[os.DirEntry[str]]:
        """Returns the regular files of a folder with one of the suffixes. All other entries are added to ``passed_over``."""
        return (entry for entry in self.entries(inside) if self.takes(inside, entry, suffixes))

    def source(self, name: str, records: Iterable[ImageRecord], nothing: str, advice: str = "") -> Source:
        """Returns the source of these records.

        Raises :class:`UsageError` if there are no records. Its message is ``nothing``, what was found instead, and ``advice``.
        """
        table = RecordTable(records)
        if not len(table):
            counts = collections.Counter(entry.reason for entry in self.passed_over).most_common()
            if self.outputs:
                counts.append(("made by blurkit or trainer", len(self.outputs)))
            found = ", ".join(f"{count} {reason}" for reason, count in counts) or "nothing"
            raise UsageError(f"{nothing} (found: {found}){advice}")
        return Source(name, self.root, table, self.passed_over, outputs=self.outputs)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: its name starts with a dot, or it belongs to the system."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_open_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder to be listed: no link, and not hidden."""
    return entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name)


def refusal(entry: os.DirEntry[str], suffixes: Collection[str]) -> str:
    """Returns why an entry is not opened, a key of :data:`REASONS`, or an empty text for a regular file with such a suffix."""
    if entry.is_symlink():
        return "link"
    if is_hidden(entry.name):
        return "hidden"
    if os.path.splitext(entry.name)[1].lower() not in suffixes:
        return "no_image_name"
    return "" if entry.is_file(follow_symlinks=False) else "not_a_file"
