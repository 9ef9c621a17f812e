"""Opens pairs to measure on: shards, or folders of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from blurkit.program.checks import require
from trainer.data.folders import Images, open_folder_pairs
from trainer.data.pairs import is_dataset, open_pairs


class PairSet(Protocol):
    """Pairs by number, each with a name and its images. ``digest``: a sha256 of all of them, 64 hexadecimal digits."""

    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def images(self, index: int) -> Images: ...


def open_pairset(path: Path, *, side_by_side: bool = False) -> PairSet:
    """Returns the pairs of a dataset, or of a folder as :func:`trainer.data.folders.open_folder_pairs` does.

    Raises :class:`blurkit.errors.UsageError`.
    """
    if is_dataset(path):
        require(not side_by_side, f"{path} is a dataset of shards, which has no images side by side")
        return open_pairs([path])
    return open_folder_pairs(path, side_by_side=side_by_side)
