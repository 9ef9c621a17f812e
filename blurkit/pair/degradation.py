"""What blurs a photograph, whichever physics it comes from: a motion is drawn, and gives the blur of a crop."""

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
    """The blur of one crop, and the ``truth`` about it, whose ``nodes`` lie in pixels of the photograph."""

    truth: Truth

    #: Whether the blur is the convolution with ``truth.kernel``.
    uniform: ClassVar[bool] = False

    #: Whether the region around the crop has to be blurred as a whole. Otherwise any part of it can be, to save memory.
    whole: ClassVar[bool] = True

    @abstractmethod
    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        """The blurred light of a box of the photograph, float32 (h, w, 3), which is the caller's to change.

        ``image``: uint8 (H, W, 3), all of the photograph. ``tone``: decodes it.
        """


@dataclass(frozen=True, eq=False)
class Motion(ABC):
    """What blurs a photograph. ``parameters``: what was drawn, by name."""

    parameters: dict[str, float] = field(kw_only=True)

    @property
    def exposure(self) -> float:
        """The fraction of the whole path that is seen: all of it where none is drawn."""
        return self.parameters.get("exposure", 1.0)

    @property
    @abstractmethod
    def reach(self) -> int:
        """How far away, in pixels, a pixel's light comes from at most."""

    @abstractmethod
    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """The blur of a crop, whose light is asked for within a region around it."""
