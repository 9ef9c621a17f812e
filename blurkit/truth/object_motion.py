"""How objects moved on their own. Readers of shards import this file, so it has no compiled code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError


@dataclass(frozen=True, eq=False, repr=False)
class ObjectMotion:
    """``objects``: the numbers of the masks that moved, from back to front, int32 (m,). ``paths``: the own motion of each object
    at each instant of the whole path, added to the motion of the camera, float32 (m, T, 2), (x, y) in pixels. ``kernels``: the
    kernel of both motions at the middle of the visible part of each object, float32 (m, k, k), k odd, sum 1 each."""

    objects: NDArray[np.int32]
    paths: NDArray[np.float32]
    kernels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.objects)

    def __repr__(self) -> str:
        return f"ObjectMotion({len(self)} objects)"

    def check(self) -> None:
        """Raise :class:`UsageError` unless the arrays fit together."""
        types = tuple(str(values.dtype) for values in (self.objects, self.paths, self.kernels))
        if types != ("int32", "float32", "float32"):
            raise UsageError(f"objects, paths and kernels of moves are int32, float32 and float32, got {', '.join(types)}")
        count, paths, kernels = len(self), self.paths.shape, self.kernels.shape
        sound = self.objects.shape == (count,) and len(paths) == len(kernels) == 3 and paths[::2] == (count, 2)
        if not sound or kernels != (count, kernels[1], kernels[1]) or (count and (not paths[1] or kernels[1] % 2 == 0)):
            raise UsageError(
                f"moves of m objects have paths (m, T, 2) and kernels (m, k, k), T >= 1, k odd, got {paths} and {kernels} for "
                f"{self.objects.shape}"
            )

    @classmethod
    def none(cls) -> ObjectMotion:
        """The motion of no object."""
        return cls(np.empty(0, np.int32), np.empty((0, 0, 2), np.float32), np.empty((0, 0, 0), np.float32))
