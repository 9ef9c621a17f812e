"""Any folder of images: nested, with odd names, in an order that no locale or file system changes."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blurkit.decode.disparity import SUFFIXES as SUFFIXES_OF_MAPS
from blurkit.decode.disparity import find_map
from blurkit.errors import UsageError
from blurkit.sources.listing import SUFFIXES, entries_of, pass_over, refusal
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

LAYOUT = "a folder, nested as you like, of images (.jpg, .png, .webp, .bmp, .tif, .gif)"


def open_folder(root: Path, name: str = "folder") -> Source:
    """The photographs below a folder, as a source of this name, and what else lies there.

    Links are not followed: their targets inside the folder are found by themselves, and nothing outside of it is read.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --src takes {LAYOUT}")
    walk = _Walk(root, name)
    records = RecordTable(walk.records())
    if not len(records):
        found = found_instead(walk.passed_over)
        raise UsageError(f"no images in {root} (found: {found}); --src takes {LAYOUT}, or the name of a known source")
    return Source(name, root, records, walk.passed_over)


def found_instead(passed_over: list[PassedOver]) -> str:
    """What was found where nothing can be used: ``3 no_image_name, 1 link``."""
    counts = collections.Counter(entry.reason for entry in passed_over)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "nothing"


@dataclass
class _Walk:
    root: Path
    name: str
    passed_over: list[PassedOver] = field(default_factory=list)

    def records(self) -> Iterator[ImageRecord]:
        """The photographs, folder by folder. Folders may be nested deeper than functions can call each other."""
        pending = [self._open("")]
        while pending:
            inside, entries, maps = pending[-1]
            entry = next(entries, None)
            if entry is None:
                pending.pop()
                continue
            relative = os.path.join(inside, entry.name)
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                pending.append(self._open(relative))
            elif reason := refusal(entry):
                if entry.name not in maps:
                    self.passed_over.append(pass_over(relative, entry.path, reason))
            else:
                found = find_map(entry.name, maps)
                disparity = os.path.join(os.path.dirname(entry.path), found) if found else ""
                yield ImageRecord(path_id(relative), entry.path, self.name, disparity=disparity)

    def _open(self, inside: str) -> tuple[str, Iterator[os.DirEntry[str]], frozenset[str]]:
        """A folder by its path below the root: its entries, and which of them are disparity maps."""
        try:
            entries = entries_of(self.root / inside)
        except OSError:
            if not inside:
                raise
            self.passed_over.append(pass_over(inside, str(self.root / inside), "unreadable"))
            entries = []
        return inside, iter(entries), _maps(entries)


def _maps(entries: list[os.DirEntry[str]]) -> frozenset[str]:
    """The names of disparity maps that lie beside their photographs."""
    maps = [entry.name for entry in entries if entry.name.endswith(SUFFIXES_OF_MAPS) and entry.is_file(follow_symlinks=False)]
    if not maps:
        return frozenset()
    stems = {stem for stem, suffix in (os.path.splitext(entry.name) for entry in entries) if suffix.lower() in SUFFIXES}
    return frozenset(name for name in maps if name.rpartition(".disparity.")[0] in stems)
