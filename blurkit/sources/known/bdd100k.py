"""Opens the 100K images of BDD100K as a source: photographs of streets, one of each video (Yu et al., CVPR 2020)."""

from __future__ import annotations

import os
from pathlib import Path

from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.listing import Listing
from blurkit.sources.record import ImageRecord, Source, path_id

SPLITS = {"train": "train", "val": "val", "test": "test"}
LICENCE = "BDD100K"

_PHOTOGRAPHS = os.path.join("images", "100k")


def open_bdd100k(root: Path | None, split: str) -> Source:
    """Returns the photographs of ``split``: ``all``, ``train``, ``val`` or ``test``. Ids are ``train/0000f77c-6257be58``.

    No file is opened. Raises :class:`UsageError` if there is no photograph, or if the dataset has no such split.
    """
    folders = choose_splits(split, SPLITS, "bdd100k")
    listing = Listing(find_root("bdd100k", root, [_PHOTOGRAPHS]))
    is_folder(listing.root / "images")
    is_folder(listing.root / _PHOTOGRAPHS)
    records = (
        ImageRecord(path_id(f"{folder}/{entry.name[:-4]}"), entry.path, "bdd100k", LICENCE, folder)
        for folder in folders
        if is_folder(listing.root / _PHOTOGRAPHS / folder)
        for entry in listing.files(f"{_PHOTOGRAPHS}/{folder}", (".jpg",))
    )
    looked = ", ".join(str(listing.root / _PHOTOGRAPHS / folder / "*.jpg") for folder in folders)
    return listing.source("bdd100k", records, f"no photographs in {looked}", "; links are not followed")
