"""Where photographs come from: sources by name, and any folder."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path

from blurkit.decode.video import FrameFolder
from blurkit.errors import UsageError, nearest
from blurkit.sources.folder import LAYOUT, open_folder
from blurkit.sources.known.coco import open_coco
from blurkit.sources.known.gopro import open_gopro
from blurkit.sources.known.mapillary import open_mapillary
from blurkit.sources.known.sample import open_sample
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.splits import NAMES, parse_shares, split_of
from blurkit.sources.table import RecordTable
from blurkit.sources.video import open_video

#: Each known source, and what it is.
SOURCES = {
    "sample": "the photographs in the package",
    "folder": LAYOUT,
    "coco": "COCO 2017: photographs with a licence each, outlines of objects",
    "mapillary": "Mapillary Vistas 1.2 and 2.0: photographs of streets, outlines of objects",
    "gopro": "GOPRO_Large: the sharp frames of its pairs, with their real blurred partners",
    "video": "a video file, or a folder of frames: each frame a photograph",
}


def open_source(
    name: str,
    *,
    root: Path | None = None,
    split: str = "all",
    shares: str = "80,10,10",
    masks: bool = True,
    annotations: str | None = None,
    label: str = "folder",
) -> Source:
    """A source by name, or a folder of images by path.

    ``root``: where a named source lies, else ``$BLURKIT_DATA/NAME``, else ``data/NAME``. ``split``: ``all``, or one of train,
    val, test: the source's own split, or by content with these ``shares``. ``masks=False`` spares looking for the objects of
    each photograph. ``annotations``: which of several sets of them, ``v1.2`` or ``v2.0`` of Mapillary. ``label``: what a folder
    is called.

    Raises :class:`UsageError` where nothing is there, with where it looked, what it expects and how to get the data.
    """
    if annotations is not None and name != "mapillary":
        raise UsageError(f"--annotations chooses among the sets of mapillary; the source {name} has at most one")
    if root is None and name in ("folder", "video"):
        raise UsageError(f"--src {name} needs --root, which says where it lies")
    if root is not None and (name == "sample" or name not in SOURCES):
        raise UsageError(f"--root goes with a source that is known by name and lies somewhere, --src {name} is not one of these")
    place = Path(name) if root is None else root
    if name not in SOURCES and not place.is_dir() and "/" not in name:
        raise UsageError(
            f"unknown source {name!r}: it is none of {', '.join(SOURCES)}, nor a folder here{nearest(name, SOURCES)}"
        )
    match name:
        case "sample":
            return open_sample(split, masks=masks)
        case "coco":
            return open_coco(root, split, masks=masks)
        case "mapillary":
            return open_mapillary(root, split, annotations, masks=masks)
        case "gopro":
            return open_gopro(root, split)
        case "video":
            return _share(open_video(place), split, shares)
        case _:
            return _share(open_folder(place, label), split, shares)


def _first_file(record: ImageRecord) -> str:
    """The file whose content decides the split: of a folder of frames the first, since its frames resemble each other."""
    return os.path.join(record.clip.folder, record.clip.names[0]) if isinstance(record.clip, FrameFolder) else record.path


def _share(source: Source, split: str, shares: str) -> Source:
    """The photographs of a source without splits of its own whose content falls into ``split``."""
    if split == "all":
        return source
    if split not in NAMES:
        raise UsageError(f"--split is one of all, {', '.join(NAMES)}, got {split!r}{nearest(split, NAMES)}")
    fractions = parse_shares(shares)
    part_of = functools.lru_cache(1)(lambda path: split_of(path, fractions))  # once for all frames of a clip
    kept = RecordTable(replace(record, split=split) for record in source.records if part_of(_first_file(record)) == split)
    if not len(kept):
        raise UsageError(f"none of the images in {source.root} falls into the split {split!r} with shares {shares}")
    return replace(source, records=kept)
