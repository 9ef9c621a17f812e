"""The sections of a recipe: what is drawn, stage by stage of the physics, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass

from blurkit.camera.bayer import BAYER_PATTERNS
from blurkit.camera.raw import XYZ_TO_A7R3, Camera
from blurkit.camera.response import load_response
from blurkit.program.checks import Range, one_of, require, rising, within


@dataclass(frozen=True)
class Trajectory:
    """A path of the camera over one exposure.

    ``process``: "camera-shake" (rates per exposure) or "boracchi-foi" (the published discrete process). ``length`` in pixels,
    uniform. ``anxiety``: one of these, equally likely. ``near_identity``: the share of samples that hardly move, of
    ``near_identity_length`` pixels. ``samples``: 0 for as many as the rates ask for, or 2000 in the published process. ``scale``:
    one of these, equally likely; lengths are multiplied and anxieties divided by it, so that shapes stay alike.
    """

    process: str = "camera-shake"
    length: Range = (5.0, 60.0)
    anxiety: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.005, 0.01)
    near_identity: float = 0.08
    near_identity_length: Range = (0.2, 3.0)
    samples: int = 0
    scale: tuple[float, ...] = (1.0,)

    def check(self) -> None:
        within("trajectory.scale", self.scale, 1e-3, 1e3)
        one_of("trajectory.process", self.process, ("camera-shake", "boracchi-foi"))
        rising("trajectory.length", self.length, 0, 10_000)
        rising("trajectory.near_identity_length", self.near_identity_length, 0, 10_000)
        within("trajectory.near_identity", [self.near_identity], 0, 1)
        within("trajectory.anxiety", self.anxiety, 0, 0.1)
        require(self.samples == 0 or 2 <= self.samples <= 10**7, f"trajectory.samples is 0 or at least 2, got {self.samples}")


@dataclass(frozen=True)
class Kernel:
    """How a path becomes a kernel: ``exposure``, the fraction of the path seen, is one of these, equally likely; ``anchor``
    as in :func:`blurkit.kernels.rasterization.rasterize`, or, for kernels of a bank, "centroid" or "stored" (as they are)."""

    exposure: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    anchor: str = "centroid"

    def check(self) -> None:
        within("kernel.exposure", self.exposure, 1e-6, 1)
        one_of("kernel.anchor", self.anchor, ("centroid", "start", "midpoint", "bbox", "stored"))


@dataclass(frozen=True)
class ResponseCurves:
    """Camera response functions by name or file, as :func:`blurkit.load_response` takes them. Photographs are decoded by
    ``decode``; sharp and blurred images are both encoded by ``encode``. "linear" for both blurs in gamma space."""

    decode: str = "srgb"
    encode: str = "srgb"

    def check(self) -> None:
        load_response(self.decode).require_inverse()
        load_response(self.encode)


@dataclass(frozen=True)
class Saturation:
    """Clipped highlights get their light back before the blur: linear values of at least ``threshold`` are raised by a number
    uniform in ``highlight``, and clipped again after the blur (the RSBlur synthesis of Rim et al., ECCV 2022)."""

    highlight: Range = (0.25, 1.75)
    threshold: float = 0.99

    def check(self) -> None:
        rising("saturation.highlight", self.highlight, 0, 100)
        require(0 < self.threshold <= 1, f"saturation.threshold lies in (0, 1], got {self.threshold}")


@dataclass(frozen=True)
class Rotation:
    """The camera turns about its three axes, instead of a path of the image; the blur varies over the frame.

    ``length``: of the path of the optical axis, ``roll``: of the roll about it, both in thousandths of a radian, uniform.
    ``anxiety``: one of these, equally likely, as for paths of the image of 60 pixels. ``focal``: the focal length in units of the
    photograph's longer side, uniform, where it is not known. ``samples``: poses per exposure.
    """

    length: Range = (17.0, 51.0)
    roll: Range = (0.0, 34.0)
    anxiety: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.005, 0.01)
    focal: Range = (1.0, 1.0)
    samples: int = 1000

    def check(self) -> None:
        rising("rotation.length", self.length, 1e-3, 300)
        rising("rotation.roll", self.roll, 0, 300)
        within("rotation.anxiety", self.anxiety, 0, 0.1)
        rising("rotation.focal", self.focal, 0.2, 100)
        require(2 <= self.samples <= 10**6, f"rotation.samples is from 2 to a million, got {self.samples}")


@dataclass(frozen=True)
class Defocus:
    """The whole frame is out of focus, beside its motion: the kernel is convolved with that of the aperture.

    ``radius`` of the circle of confusion in pixels, uniform. ``blades``: one of these, equally likely; 0 is a disk, 3 and more a
    polygon of the same area, turned at random. ``share`` of the samples that are defocused. ``depth``: whether the radius follows
    the disparity of a photograph that has a map of it; it is then the largest in the photograph. A camera that turns has the same
    radius everywhere.
    """

    radius: Range = (0.5, 6.0)
    blades: tuple[int, ...] = (0, 6, 8)
    share: float = 1.0
    depth: bool = True

    def check(self) -> None:
        rising("defocus.radius", self.radius, 0, 200)
        require(all(blades == 0 or 3 <= blades <= 32 for blades in self.blades), "defocus.blades are 0, or from 3 to 32")
        within("defocus.share", [self.share], 0, 1)


@dataclass(frozen=True)
class Objects:
    """Outlined objects move on their own, on top of the camera's motion, with what is behind them filled in.

    ``count``: how many of those that a crop shows, a whole number, each as likely. ``length`` of an object's own path over the
    whole exposure, in pixels, uniform. ``anxiety``: one of these, equally likely, as for the camera. ``least``: pixels of an
    object that the crop shows. ``classes``: the names of those that can move, or how they begin, up to ``--``; none for all.
    """

    count: tuple[int, int] = (1, 5)
    length: Range = (5.0, 60.0)
    anxiety: tuple[float, ...] = (0.0, 0.0003, 0.001)
    least: int = 400
    classes: tuple[str, ...] = ()

    def check(self) -> None:
        rising("objects.count", self.count, 0, 100)
        rising("objects.length", self.length, 0, 10_000)
        within("objects.anxiety", self.anxiety, 0, 0.1)
        require(self.least >= 1, f"objects.least is at least 1 pixel, got {self.least}")

    def moves(self, name: str) -> bool:
        """Whether objects of this class can move."""
        families = tuple(part for part in self.classes if part.endswith("--"))
        return not self.classes or name in self.classes or name.startswith(families)


@dataclass(frozen=True)
class FrameAveraging:
    """The blurred image is the mean of consecutive frames, of which the sharp one is the middle.

    ``count``: how many frames, one of the odd numbers in this range, equally likely. ``steps``: from one frame to the next; with
    2 and more, as many less one are interpolated between them.
    """

    count: tuple[int, int] = (7, 13)
    steps: int = 1

    def check(self) -> None:
        rising("frames.count", self.count, 3, 1001)
        require(self.count[0] | 1 <= self.count[1], f"frames.count has an odd number in its range, got {list(self.count)}")
        require(1 <= self.steps <= 64, f"frames.steps is from 1 to 64, got {self.steps}")


@dataclass(frozen=True)
class Sensor:
    """``gain``: what the light of the scene is multiplied by, in the sharp and in the blurred image, log-uniform."""

    gain: Range = (1.0, 1.0)

    def check(self) -> None:
        rising("sensor.gain", self.gain, 1e-3, 1e3)


@dataclass(frozen=True)
class Bayer:
    """What is drawn of a camera with a Bayer mosaic.

    ``pattern``: one of these, equally likely. ``red_gain``, ``blue_gain``: white balance against green, uniform (the ranges that
    Rim et al. draw from). ``matrix``: nine numbers, row by row, from CIE XYZ to the camera's colours.
    """

    pattern: tuple[str, ...] = BAYER_PATTERNS
    red_gain: Range = (1.9, 2.4)
    blue_gain: Range = (1.5, 1.9)
    matrix: tuple[float, ...] = tuple(number for row in XYZ_TO_A7R3 for number in row)

    def check(self) -> None:
        require(len(self.pattern) > 0, f"bayer.pattern takes at least one of {', '.join(BAYER_PATTERNS)}")
        for pattern in self.pattern:
            one_of("bayer.pattern", pattern, BAYER_PATTERNS)
        rising("bayer.red_gain", self.red_gain, 0.1, 10)
        rising("bayer.blue_gain", self.blue_gain, 0.1, 10)
        require(len(self.matrix) == 9, f"bayer.matrix takes nine numbers, row by row, got {len(self.matrix)}")
        Camera.from_xyz([self.matrix[:3], self.matrix[3:6], self.matrix[6:]], red_gain=1.0, blue_gain=1.0)


@dataclass(frozen=True)
class Jpeg:
    """The blurred image is compressed for a ``share`` of the samples, at a whole ``quality`` uniform in the range."""

    share: float = 0.5
    quality: Range = (60, 100)
    subsampling: str = "4:2:0"

    def check(self) -> None:
        within("jpeg.share", [self.share], 0, 1)
        rising("jpeg.quality", self.quality, 1, 100)
        one_of("jpeg.subsampling", self.subsampling, ("4:4:4", "4:2:2", "4:2:0"))
