"""Opens Cityscapes as a source: photographs of streets, with disparity maps (Cordts et al., CVPR 2016)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.listing import REASONS, Listing, is_open_folder
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "train", "val": "val", "test": "test"}
LICENCE = "Cityscapes"

_PHOTOGRAPHS, _MAPS = "leftImg8bit", "disparity"

_REASONS = REASONS | {
    "no_city": "no folder of a city",
    "no_split": "none of the folders train, val and test; name it as a folder of photographs to use it",
    "no_disparity": "there is no disparity map for it, though there are some: it is used without one",
}


def open_cityscapes(root: Path | None, split: str) -> Source:
    """Returns the photographs of ``split``: ``all``, ``train``, ``val`` or ``test``.

    Ids are ``train/aachen/aachen_000000_000019``. A photograph has its disparity map if the folder ``disparity`` is there. No
    file is opened. Raises :class:`UsageError` if there is no photograph, or if the dataset has no such split.
    """
    folders = choose_splits(split, SPLITS, "cityscapes")
    listing = Listing(find_root("cityscapes", root, [_PHOTOGRAPHS]), _REASONS)
    is_folder(listing.root / _PHOTOGRAPHS)
    for entry in listing.entries(_PHOTOGRAPHS):
        if entry.name not in SPLITS:
            listing.pass_over(f"{_PHOTOGRAPHS}/{entry.name}", "no_split")
    has_maps = is_folder(listing.root / _MAPS)
    records = (
        record
        for folder in folders
        if is_folder(listing.root / _PHOTOGRAPHS / folder)
        for city in _cities(listing, f"{_PHOTOGRAPHS}/{folder}")
        for record in _photographs(listing, folder, city, has_maps=has_maps)
    )
    looked = ", ".join(str(listing.root / _PHOTOGRAPHS / folder / "CITY" / "*_leftImg8bit.png") for folder in folders)
    return listing.source("cityscapes", records, f"no photographs in {looked}", "; links are not followed")


def _cities(listing: Listing, folder: str) -> Iterator[str]:
    for entry in listing.entries(folder):
        if is_open_folder(entry):
            yield entry.name
        else:
            listing.pass_over(f"{folder}/{entry.name}", "link" if entry.is_symlink() else "no_city")


def _photographs(listing: Listing, split: str, city: str, *, has_maps: bool) -> Iterator[ImageRecord]:
    maps = f"{_MAPS}/{split}/{city}"
    there = has_maps and is_folder(listing.root / _MAPS / split) and is_folder(listing.root / maps)
    names = {entry.name for entry in listing.entries(maps) if entry.is_file(follow_symlinks=False)} if there else set[str]()
    ending = f"_{_PHOTOGRAPHS}.png"
    for entry in listing.files(f"{_PHOTOGRAPHS}/{split}/{city}", (".png",)):
        key = entry.name.removesuffix(ending)
        if key == entry.name:
            listing.pass_over(f"{split}/{city}/{entry.name}", "no_image_name", path=entry.path)
            continue
        disparity = f"{key}_{_MAPS}.png"
        if has_maps and disparity not in names:
            listing.pass_over(f"{split}/{city}/{key}", "no_disparity", path=entry.path)
        place = os.path.join(listing.root, maps, disparity) if disparity in names else ""
        yield ImageRecord(path_id(f"{split}/{city}/{key}"), entry.path, "cityscapes", LICENCE, split, disparity=place)
