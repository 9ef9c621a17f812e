"""Opens a source: a known source by its name, or any folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from blurkit.decode.video import FrameFolder
from blurkit.errors import UsageError, nearest
from blurkit.sources.folder import LAYOUT, open_folder
from blurkit.sources.known.bdd100k import open_bdd100k
from blurkit.sources.known.cityscapes import open_cityscapes
from blurkit.sources.known.coco import open_coco
from blurkit.sources.known.gopro import open_gopro
from blurkit.sources.known.mapillary import open_mapillary
from blurkit.sources.known.sample import open_sample
from blurkit.sources.pairs import BY_NAMES, PairLayout, open_pair_folder
from blurkit.sources.photo_table import LAYOUT as TABLE
from blurkit.sources.photo_table import open_table
from blurkit.sources.record import Clip, Source
from blurkit.sources.splits import NAMES, parse_shares, splits_of
from blurkit.sources.table import RecordTable
from blurkit.sources.video import open_video

#: Name of a known source -> its description.
SOURCES = {
    "sample": "the photographs in the package",
    "folder": LAYOUT,
    "coco": "COCO 2017: photographs with a licence each, outlines of objects",
    "mapillary": "Mapillary Vistas 1.2 and 2.0: photographs of streets, outlines of objects",
    "cityscapes": "Cityscapes: photographs of streets, disparity maps",
    "bdd100k": "BDD100K, 100K images: photographs of streets",
    "gopro": "GOPRO_Large: the sharp frames of its pairs, with their real blurred partners",
    "pairs": "a folder of sharp and real blurred images, whose names differ in a word such as blur and sharp",
    "table": TABLE,
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
    licence: str = "",
    layout: PairLayout = BY_NAMES,
) -> Source:
    """Returns a source.

    ``name``: a key of :data:`SOURCES`, or the path of a folder of images. ``root``: the folder of a known source; by default
    ``$BLURKIT_DATA/NAME``, or ``data/NAME`` if the variable is not set. ``split``: ``all``, train, val or test. If the source has
    no splits, the content of a photograph decides its split, with the ``shares`` of train, val and test. ``masks``: whether the
    objects of the photographs are needed; without them, opening is faster. ``annotations``: the set of annotations of Mapillary,
    ``v1.2`` or ``v2.0``, or for coco and table the file that lists the images in ``root``. ``label``: the name of the source that
    a folder becomes. ``licence``, ``layout``: of the photographs of pairs, and how these lie in their folder.

    Raises :class:`UsageError` if no photographs are found. The message says where they were expected, in which layout, and how to
    get the data.
    """
    if annotations is not None and name not in ("coco", "mapillary", "table"):
        raise UsageError(f"--annotations is for mapillary, coco and table; {name} has no choice")
    if root is None and name in ("folder", "pairs", "table", "video"):
        raise UsageError(f"--src {name} needs --root, the path of the {name}")
    if root is not None and (name == "sample" or name not in SOURCES):
        raise UsageError(f"--root goes with a known source that has a folder, but --src {name} is no such source")
    place = Path(name) if root is None else root
    if name not in SOURCES and not place.exists() and "/" not in name:
        raise UsageError(
            f"unknown source {name!r}: known are {', '.join(SOURCES)}, and no folder has this path{nearest(name, SOURCES)}"
        )
    match name:
        case "sample":
            return open_sample(split, masks=masks)
        case "coco":
            return open_coco(root, split, masks=masks, annotations=annotations)
        case "mapillary":
            return open_mapillary(root, split, annotations, masks=masks)
        case "cityscapes":
            return open_cityscapes(root, split)
        case "bdd100k":
            return open_bdd100k(root, split)
        case "gopro":
            return open_gopro(root, split)
        case "pairs":
            return _with_split(open_pair_folder(place, licence, layout), split, shares)
        case "table":
            return _with_split(open_table(place, None if annotations is None else Path(annotations)), split, shares)
        case "video":
            return _with_split(open_video(place), split, shares)
        case _:
            return _with_split(open_folder(place, label), split, shares)


def _with_split(source: Source, split: str, shares: str) -> Source:
    """Returns a source with only the photographs of ``split``: by the splits that they have, or else by their content."""
    if split == "all":
        return source
    if split not in NAMES:
        raise UsageError(f"--split is one of all, {', '.join(NAMES)}, got {split!r}{nearest(split, NAMES)}")
    records = RecordTable.of(source.records)
    stated = records[0].split != ""
    parts = (record.split for record in records) if stated else splits_of(map(_deciding, records.paths()), parse_shares(shares))
    kept = records.only((part == split for part in parts), split)
    if not len(kept) and stated:
        raise UsageError(f"{source.root} has no photograph of the split {split!r}; it has {records[0].split} and perhaps others")
    if not len(kept):
        raise UsageError(f"none of the images in {source.root} falls into the split {split!r} with shares {shares}")
    return replace(source, records=kept)


def _deciding(place: tuple[str, Clip | None]) -> str:
    """The file that decides the split of a record: of a folder of frames the first frame, because all frames are similar."""
    path, clip = place
    return os.path.join(clip.folder, clip.names[0]) if isinstance(clip, FrameFolder) else path
