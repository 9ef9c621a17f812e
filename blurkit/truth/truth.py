"""What is known of a pair: one record that travels from the motion that blurs to the shard that stores it."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion


@dataclass(frozen=True, eq=False)
class Images:
    """``sharp``, ``blurred``: uint8 (H, W, 3) RGB, of one size."""

    sharp: NDArray[np.uint8]
    blurred: NDArray[np.uint8]


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """How an image of H x W pixels was blurred. A kind of truth that does not apply keeps its default.

    ``kernel``: float32 (k, k), k odd, sum 1, indexed by displacement: the linear light of blurred is that of sharp convolved with
    it. Where the blur varies over the frame, it is the kernel of the middle; it is (0, 0) where nobody knows it, as in a mean of
    frames. ``path``: float (T, 2), the camera's whole path, (x, y) in pixels from the kernel's centre; without any rows where the
    kernel is from a bank.

    ``objects``: the outlined objects that are seen. ``nodes``: the kernels of a blur that varies over the frame. ``poses``: float
    (T, 3), the rotation vectors of a camera that turned, in radians. ``saturation``: bool (H, W), where the blurred light reached
    full well, before it was clipped. ``moves``: which of the objects moved on their own, and how. ``radius``: float32 (H, W), the
    signed radius in pixels of a defocus that follows depth, positive nearer than what is in focus.
    """

    kernel: NDArray[np.float32]
    path: NDArray[np.floating]
    _: KW_ONLY
    objects: Masks | None = None
    nodes: KernelField | None = None
    poses: NDArray[np.floating] = dataclasses.field(default_factory=lambda: np.empty((0, 3), np.float32))
    saturation: NDArray[np.bool_] | None = None
    moves: ObjectMotion = dataclasses.field(default_factory=ObjectMotion.none)
    radius: NDArray[np.float32] | None = None

    @property
    def field(self) -> KernelField:
        """The camera's kernel at every pixel: ``truth.field.at(y, x)``. Where the blur is uniform, it is ``kernel`` everywhere.

        Raises :class:`UsageError` where nobody knows it.
        """
        if not self.kernel.size:
            raise UsageError("this is a mean of frames: its kernels are not known")
        return KernelField.of([0], [0], self.kernel[None, None]) if self.nodes is None else self.nodes

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Bool (n, H, W): where each of the objects is."""
        return np.zeros((0, 0, 0), bool) if self.objects is None else self.objects.masks

    def kernel_at(self, y: float, x: float) -> NDArray[np.float32]:
        """The kernel of a pixel, float32 (k, k): that of the moved object that is seen there, or the camera's.

        Raises :class:`UsageError` where nobody knows it.
        """
        for place in reversed(range(len(self.moves))):
            if self.masks[self.moves.objects[place], round(y), round(x)]:
                return self.moves.kernels[place]
        return self.field.at(y, x)

    def parts(self) -> dict[str, Any]:
        """Each kind of truth by its name."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(Truth)}

    def __repr__(self) -> str:
        known = ((part.name, getattr(self, part.name)) for part in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(f'{name}: {_brief(value)}' for name, value in known if _is_there(value))})"


def _is_there(value: Any) -> bool:
    return value is not None and not (hasattr(value, "__len__") and len(value) == 0)


def _brief(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
