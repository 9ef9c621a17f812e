"""The outlined objects of one image: a mask and a class for each. People drew the outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Masks:
    """``masks``: one plane per object, bool (n, h, w). ``names``: the class name of each object. ``ids``: the class number of
    each object in its dataset. ``crowd``: whether a mask covers a region of several objects. ``problems``: one sentence for each
    object that was left out because its outline is not valid."""

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
        """The same objects with other planes. Objects without a single pixel are left out."""
        keep = np.flatnonzero(masks.any(axis=(1, 2)))
        chosen = [(self.names[place], self.ids[place], self.crowd[place]) for place in keep]
        names, ids, crowd = zip(*chosen, strict=True) if chosen else ((), (), ())
        return Masks(masks[keep], names, ids, crowd, self.problems)

    @classmethod
    def none(cls, height: int, width: int) -> Masks:
        """No objects, for an image of this size in pixels."""
        return cls(np.zeros((0, height, width), bool), (), (), ())
