"""Folders of pairs of a blurred and a sharp image: which files are pairs, where the images are stored, how they are read."""

from blurkit.sources.pairs.layout import BY_NAMES, NO_PAIR, PairFolder, PairLayout, find_pairs, list_files
from blurkit.sources.pairs.scenes import scene_folders
from blurkit.sources.pairs.source import open_pair_folder
from blurkit.sources.pairs.stored import Images, StoredPair, require_alike, stored_pairs

__all__ = [
    "BY_NAMES",
    "NO_PAIR",
    "Images",
    "PairFolder",
    "PairLayout",
    "StoredPair",
    "find_pairs",
    "list_files",
    "open_pair_folder",
    "require_alike",
    "scene_folders",
    "stored_pairs",
]
