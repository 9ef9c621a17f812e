"""Opens pairs to measure on: shards, or folders of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from blurkit.program.checks import require
from blurkit.sources.pairs import BY_NAMES, Images, PairLayout
from trainer.data.folders import open_folder_pairs
from trainer.data.pairs import is_dataset, open_pairs


class PairSet(Protocol):
    """Pairs by number, each with a name and its images. ``digest``: a sha256 of all of them, 64 hexadecimal digits."""

    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def images(self, index: int) -> Images: ...


def open_pairset(path: Path, layout: PairLayout = BY_NAMES) -> PairSet:
    """Returns the pairs of a dataset, or of a folder as :func:`trainer.data.folders.open_folder_pairs` does.

    Raises :class:`blurkit.errors.UsageError`.
    """
    if is_dataset(path):
        require(
            layout == BY_NAMES, f"{path} is a dataset of shards: --blurred, --sharp and --side-by-side are for folders of pairs"
        )
        return open_pairs([path])
    return open_folder_pairs(path, layout)
