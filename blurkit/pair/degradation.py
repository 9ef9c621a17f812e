"""The interfaces of every kind of blur: a motion is drawn for a sample, and the motion gives the blur of a crop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blurkit.camera.response import Response
from blurkit.truth.box import Box
from blurkit.truth.truth import Truth


@dataclass(frozen=True, eq=False)
class Blur(ABC):
    """The blur of one crop. ``truth``: the truth about the blur. Its ``nodes`` are in pixels of the photograph."""

    truth: Truth

    #: Whether the blur is a convolution with ``truth.kernel``.
    uniform: ClassVar[bool] = False

    #: Whether the region around the crop must be blurred in one piece. If not, any part of it can be blurred, to save memory.
    whole: ClassVar[bool] = True

    @abstractmethod
    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        """Returns the blurred linear light of a box of the photograph, float32 (h, w, 3). The caller may change the array.
        ``image``: the whole photograph, uint8 (H, W, 3). ``tone``: the response that decodes the photograph."""


@dataclass(frozen=True, eq=False)
class BlurredLight(Blur):
    """Light that is blurred already. ``light``: float32 (h, w, 3), of the ``region`` of the photograph, whose pixels are not
    read."""

    light: NDArray[np.float32]
    region: Box
    whole = False

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        return self.light[box.within(self.region).slices].copy()


@dataclass(frozen=True, eq=False)
class Motion(ABC):
    """The motion that blurs a photograph. ``parameters``: the drawn numbers, by name."""

    parameters: dict[str, float] = field(kw_only=True)

    @property
    def exposure(self) -> float:
        """The exposed fraction of the whole path, in (0, 1]. It is 1 if no exposure was drawn."""
        return self.parameters.get("exposure", 1.0)

    @property
    @abstractmethod
    def reach(self) -> int:
        """The largest distance, in pixels, from which light reaches a pixel."""

    @abstractmethod
    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """Returns the blur of a crop. ``region``: the crop with the pixels around it that are blurred too."""
