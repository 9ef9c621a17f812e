"""Objects of one image, outlined by people: a mask each, with its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Masks:
    """``masks``: bool (n, h, w), one plane per object. ``names``: the class of each, ``ids``: its number as the dataset counts
    classes. ``crowd``: whether a mask is a region of several objects. ``problems``: a sentence for each object that was left out
    because its outline cannot be one."""

    masks: NDArray[np.bool_]
    names: tuple[str, ...]
    ids: tuple[int, ...]
    crowd: tuple[bool, ...]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def none(cls, height: int, width: int) -> Masks:
        """No objects in an image of this size."""
        return cls(np.zeros((0, height, width), bool), (), (), ())
