"""Objects of one image, outlined by people: a mask each, with its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        return f"Masks({', '.join(self.names)})"

    def with_planes(self, masks: NDArray[np.bool_]) -> Masks:
        """The same objects with other planes, those without a single pixel left out."""
        keep = np.flatnonzero(masks.any(axis=(1, 2)))
        chosen = [(self.names[place], self.ids[place], self.crowd[place]) for place in keep]
        names, ids, crowd = zip(*chosen, strict=True) if chosen else ((), (), ())
        return Masks(masks[keep], names, ids, crowd, self.problems)

    @classmethod
    def none(cls, height: int, width: int) -> Masks:
        """No objects in an image of this size."""
        return cls(np.zeros((0, height, width), bool), (), (), ())
