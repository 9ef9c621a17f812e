"""Where photographs come from: sources by name, and any folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from blurkit.errors import UsageError, nearest
from blurkit.sources.folder import LAYOUT, open_folder
from blurkit.sources.record import ImageRecord, PassedOver, Source
from blurkit.sources.sample import open_sample
from blurkit.sources.split import NAMES, parse_shares, split_of

__all__ = ["SOURCES", "ImageRecord", "PassedOver", "Source", "open_source"]

#: Each known source, and what it is.
SOURCES = {
    "sample": "the photographs in the package",
    "folder": LAYOUT,
}


def open_source(name: str, *, root: Path | None = None, split: str = "all", shares: str = "80,10,10") -> Source:
    """A source by name, or a folder of images by path.

    ``root``: where a named source lies. ``split``: ``all``, or one of train, val, test: the source's own split, or by content
    with these ``shares``. Raises :class:`UsageError` where nothing is there, with where it looked and what it expects.
    """
    if split not in ("all", *NAMES):
        raise UsageError(f"--split is one of all, {', '.join(NAMES)}, got {split!r}{nearest(split, NAMES)}")
    if root is not None and name != "folder":
        raise UsageError(f"--root goes with a source that is known by name and lies somewhere, --src {name} is not one of these")
    if name == "sample":
        return open_sample(split)
    if name == "folder" and root is None:
        raise UsageError("--src folder needs --root DIR; or give the folder itself, --src DIR")
    path = root if name == "folder" and root is not None else Path(name)
    if not path.is_dir() and "/" not in name and name != "folder":
        raise UsageError(
            f"unknown source {name!r}: it is none of {', '.join(SOURCES)}, nor a folder here{nearest(name, SOURCES)}"
        )
    source = open_folder(path)
    if split == "all":
        return source
    fractions = parse_shares(shares)
    kept = [record for record in source.records if split_of(record.path, fractions) == split]
    if not kept:
        raise UsageError(f"none of the images in {path} falls into the split {split!r} with shares {shares}")
    return replace(source, records=kept)
