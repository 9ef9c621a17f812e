"""The truth about a pair: one record, made by the motion that blurs, and stored in a shard."""

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
    """``sharp``, ``blurred``: the two images, RGB, uint8 (H, W, 3), of equal size."""

    sharp: NDArray[np.uint8]
    blurred: NDArray[np.uint8]


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """How an image of H x W pixels was blurred. A field that does not apply keeps its default.

    ``kernel``: the kernel, float32 (k, k), k odd, sum 1, indexed by displacement. The linear light of blurred is the linear
    light of sharp, convolved with the kernel. If the blur varies over the image, this is the kernel at the middle. It is (0, 0)
    if the kernel is unknown, as for a mean of frames or a real blurred photograph. ``path``: the whole path of the camera,
    float (T, 2), (x, y) in pixels from the kernel's centre; without rows if the kernel is from a bank.

    ``objects``: the visible outlined objects. ``nodes``: the kernels of a blur that varies over the image. ``poses``: the
    rotation vectors of a camera that turned, float (T, 3), in radians. ``saturation``: whether the blurred light of each pixel
    reached full well before it was clipped, bool (H, W). ``moves``: the objects that moved on their own, and their motion.
    ``radius``: the signed radius of a defocus that follows depth, float32 (H, W), in pixels, positive nearer than the focus.
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

    @classmethod
    def unknown(cls) -> Truth:
        """Returns what is known if nothing was drawn: no kernel and no path."""
        return cls(np.empty((0, 0), np.float32), np.empty((0, 2), np.float32))

    @property
    def field(self) -> KernelField:
        """The kernels of the camera at all pixels: ``truth.field.at(y, x)``. For a uniform blur, each one equals ``kernel``.

        Raises :class:`UsageError` if the kernel is unknown.
        """
        if not self.kernel.size:
            raise UsageError("the kernels of this blur are not known: it is a mean of frames or a real photograph")
        return KernelField.of([0], [0], self.kernel[None, None]) if self.nodes is None else self.nodes

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The mask of each object, bool (n, H, W)."""
        return np.zeros((0, 0, 0), bool) if self.objects is None else self.objects.masks

    def kernel_at(self, y: float, x: float) -> NDArray[np.float32]:
        """The kernel at a pixel, float32 (k, k): the kernel of the moved object that is visible there, else the camera's kernel.

        Raises :class:`UsageError` if the kernel is unknown.
        """
        for place in reversed(range(len(self.moves))):
            if self.masks[self.moves.objects[place], round(y), round(x)]:
                return self.moves.kernels[place]
        return self.field.at(y, x)

    def parts(self) -> dict[str, Any]:
        """The fields of :class:`Truth` by name."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(Truth)}

    def __repr__(self) -> str:
        known = ((part.name, getattr(self, part.name)) for part in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(f'{name}: {_brief(value)}' for name, value in known if _is_set(value))})"


def _is_set(value: Any) -> bool:
    return value is not None and not (hasattr(value, "__len__") and len(value) == 0)


def _brief(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
