"""The truth about objects that moved on their own. It is stored with a sample, so nothing here is compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError


@dataclass(frozen=True, eq=False, repr=False)
class ObjectMotion:
    """``objects``: int32 (m,), which of the sample's masks moved, from back to front. ``paths``: float32 (m, T, 2), what its own
    motion added to the camera's at each instant of the whole path, (x, y) in pixels. ``kernels``: float32 (m, k, k), k odd, sum 1
    each: that of both motions together, in the middle of what the crop shows of the object."""

    objects: NDArray[np.int32]
    paths: NDArray[np.float32]
    kernels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.objects)

    def __repr__(self) -> str:
        return f"ObjectMotion({len(self)} objects)"

    def check(self) -> None:
        """Raise UsageError unless the arrays fit together."""
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
        """Nothing moved on its own."""
        return cls(np.empty(0, np.int32), np.empty((0, 0, 2), np.float32), np.empty((0, 0, 0), np.float32))
