"""The settings of a dataset. Together with the photographs, they decide every pixel. Workers receive them as a frozen object."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blurkit.program.checks import one_of, require
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.shard.documents import DEFAULT_SHARD_BYTES
from blurkit.shard.format import STORES

DEFAULT_SIZE = "320"


@dataclass(frozen=True)
class Settings:
    """The settings of a dataset. ``seed``: from 0 to 2**63 - 1. ``size``: (height, width) of the crops, or ``None`` for whole
    photographs. ``per_image``: the number of variants of each photograph. ``shard_bytes``: the approximate size of a shard in
    bytes. ``downscale``: photographs are first made smaller by this factor, from 1 to 64. ``min_sharpness``: the least variance
    of the Laplacian of a sharp crop. ``masks``: whether the masks of objects are stored.
    ``store``: what a sample stores, see :data:`blurkit.shard.format.STORES`."""

    recipe: Recipe | Mixture
    seed: int = 0
    size: tuple[int, int] | None = (320, 320)
    per_image: int = 1
    shard_bytes: int = DEFAULT_SHARD_BYTES
    downscale: int = 1
    min_sharpness: float = 0.0
    masks: bool = False
    store: str = "pairs"

    def __post_init__(self) -> None:
        one_of("--store", self.store, list(STORES))
        require(self.per_image >= 1, f"--per-image is at least 1, got {self.per_image}")
        require(self.shard_bytes >= 1, f"shard_bytes is at least 1, got {self.shard_bytes}")
        require(1 <= self.downscale <= 64, f"--downscale is a whole number from 1 to 64, got {self.downscale}")
        require(0 <= self.min_sharpness < math.inf, f"--min-sharpness is a variance from 0, got {self.min_sharpness}")
        require(0 <= self.seed < 2**63, f"--seed lies between 0 and 2**63 - 1, got {self.seed}")


def parse_size(text: str) -> tuple[int, int] | None:
    """Converts ``"320"`` or ``"240x320"`` (height x width) to (height, width), and ``"full"`` to ``None``."""
    if text == "full":
        return None
    sides = text.lower().split("x")
    valid = len(sides) in (1, 2) and all(side.isdecimal() and 1 <= int(side) <= 65535 for side in sides)
    require(valid, f"--size is a side such as 320, HxW such as 240x320, or full; got {text!r}")
    return int(sides[0]), int(sides[-1])


def size_text(size: tuple[int, int] | None) -> str:
    """Converts (height, width) or ``None`` to text. It is the inverse of :func:`parse_size`."""
    return "full" if size is None else f"{size[0]}x{size[1]}"
