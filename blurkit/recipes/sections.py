"""The sections of a recipe. Each section says what is drawn for one step of the physics, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass

from blurkit.camera.bayer import BAYER_PATTERNS
from blurkit.camera.raw import XYZ_TO_A7R3, Camera
from blurkit.camera.response import load_response
from blurkit.program.checks import Range, one_of, require, rising, within


@dataclass(frozen=True)
class Trajectory:
    """The path of the camera over one exposure.

    ``process``: "camera-shake" (rates per exposure) or "boracchi-foi" (the published discrete process). ``length``: of the path,
    in pixels, uniform. ``anxiety``: one of these values, equally likely. ``near_identity``: the share of samples that hardly
    move. ``near_identity_length``: the length of their paths, in pixels, uniform. ``samples``: points of the path; 0 means as
    many as the rates need, or 2000 for the published process. ``scale``: one of these factors, equally likely. The length is
    multiplied by the factor and the anxiety is divided by it, so that the shape of the path stays the same.
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
        require(self.samples == 0 or 2 <= self.samples <= 10**7, f"trajectory.samples takes 0 or 2 to 10**7, got {self.samples}")


@dataclass(frozen=True)
class Kernel:
    """How a path becomes a kernel. ``exposure``: the exposed fraction of the path, one of these values, equally likely.
    ``anchor``: as in :func:`blurkit.kernels.rasterization.rasterize`. For kernels of a bank: "centroid", or "stored" to leave
    them as they are."""

    exposure: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    anchor: str = "centroid"

    def check(self) -> None:
        within("kernel.exposure", self.exposure, 1e-6, 1)
        one_of("kernel.anchor", self.anchor, ("centroid", "start", "midpoint", "bbox", "stored"))


@dataclass(frozen=True)
class ResponseCurves:
    """Camera response functions, by name or file, as :func:`blurkit.load_response` takes them. ``decode``: decodes photographs.
    ``encode``: encodes the sharp and the blurred image. If both are "linear", the codes themselves are blurred (blur in gamma
    space)."""

    decode: str = "srgb"
    encode: str = "srgb"

    def check(self) -> None:
        load_response(self.decode).require_inverse()
        load_response(self.encode)


@dataclass(frozen=True)
class Saturation:
    """Clipped highlights get their light back before the blur (the RSBlur synthesis of Rim et al., ECCV 2022). ``highlight``: a
    number uniform in this range is added to linear values of at least ``threshold``. The values are clipped again after the
    blur."""

    highlight: Range = (0.25, 1.75)
    threshold: float = 0.99

    def check(self) -> None:
        rising("saturation.highlight", self.highlight, 0, 100)
        require(0 < self.threshold <= 1, f"saturation.threshold lies in (0, 1], got {self.threshold}")


@dataclass(frozen=True)
class Rotation:
    """The camera turns about its three axes. A rotation replaces the path of the image. The blur varies over the frame.
    ``length``: of the path of the optical axis, ``roll``: of the roll about this axis; both in thousandths of a radian, uniform.
    ``anxiety``: one of these values, equally likely, as for paths of 60 pixels. ``focal``: the focal length in units of the
    longer side of the photograph, uniform; used if the focal length is not known. ``samples``: poses per exposure."""

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
    """The frame is out of focus, in addition to its motion. The kernel is convolved with the kernel of the aperture. ``radius``:
    of the circle of confusion, in pixels, uniform. ``blades``: one of these numbers, equally likely; 0 is a disk, 3 or more is a
    polygon of the same area with a random rotation. ``share``: of the samples that are out of focus. ``depth``: whether the
    radius follows the disparity, if the photograph has a disparity map. ``radius`` is then the largest radius in the photograph.
    If the camera turns, the radius is the same everywhere."""

    radius: Range = (0.5, 6.0)
    blades: tuple[int, ...] = (0, 6, 8)
    share: float = 1.0
    depth: bool = True

    def check(self) -> None:
        rising("defocus.radius", self.radius, 0, 200)
        valid = all(blades == 0 or 3 <= blades <= 32 for blades in self.blades)
        require(valid, f"defocus.blades takes 0 and numbers from 3 to 32, got {list(self.blades)}")
        within("defocus.share", [self.share], 0, 1)


@dataclass(frozen=True)
class Objects:
    """Outlined objects move on their own, in addition to the camera's motion. The background behind them is filled in.

    ``count``: how many objects of a crop move, a whole number in this range, equally likely. ``length``: of an object's own path
    over the whole exposure, in pixels, uniform. ``anxiety``: one of these values, equally likely, as for the camera. ``least``:
    the smallest area of a moving object in the crop, in pixels. ``classes``: the classes that can move. A name that ends with
    ``--`` means every class that begins with this name. An empty tuple means all classes.
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
        prefixes = tuple(part for part in self.classes if part.endswith("--"))
        return not self.classes or name in self.classes or name.startswith(prefixes)


@dataclass(frozen=True)
class FrameAveraging:
    """The blurred image is the mean of consecutive frames. The sharp image is the middle frame. ``count``: the number of frames,
    an odd number in this range, equally likely. ``steps``: the number of steps from one frame to the next. If it is 2 or more,
    ``steps - 1`` frames are interpolated between two frames."""

    count: tuple[int, int] = (7, 13)
    steps: int = 1

    def check(self) -> None:
        rising("frames.count", self.count, 3, 1001)
        require(self.count[0] | 1 <= self.count[1], f"frames.count needs an odd number in its range, got {list(self.count)}")
        require(1 <= self.steps <= 64, f"frames.steps is from 1 to 64, got {self.steps}")


@dataclass(frozen=True)
class RealBlur:
    """The blurred image is a real photograph of the source. ``kind``: which one, if a source has several, such as "blur" and
    "blur_gamma" of GOPRO_Large. Empty means the first. ``register``: whether the shift between both images is measured, and the
    sharp image is moved. ``limit``: the largest shift in pixels along an axis; pairs with a larger one are left out. ``gain``:
    whether the sharp image also gets the brightness of the blurred one."""

    kind: str = ""
    register: bool = False
    limit: float = 16.0
    gain: bool = False

    def check(self) -> None:
        """Any kind is valid: the source knows its kinds."""
        within("real.limit", (self.limit,), 0, 1000)
        require(self.register or not self.gain, "real.gain goes with real.register=true: both images must lie on each other")


@dataclass(frozen=True)
class Sensor:
    """The sensor. ``gain``: a factor for the light of the scene, in the sharp and in the blurred image, log-uniform."""

    gain: Range = (1.0, 1.0)

    def check(self) -> None:
        rising("sensor.gain", self.gain, 1e-3, 1e3)


@dataclass(frozen=True)
class Bayer:
    """A camera with a Bayer mosaic. ``pattern``: one of these patterns, equally likely. ``red_gain``, ``blue_gain``: white
    balance relative to green, uniform (the defaults are the ranges of Rim et al.). ``matrix``: from CIE XYZ to the camera's
    colours, nine numbers, row by row."""

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
    """JPEG compression of the blurred image. ``share``: of the samples that are compressed. ``quality``: a whole number, uniform
    in this range. ``subsampling``: of chroma."""

    share: float = 0.5
    quality: Range = (60, 100)
    subsampling: str = "4:2:0"

    def check(self) -> None:
        within("jpeg.share", [self.share], 0, 1)
        rising("jpeg.quality", self.quality, 1, 100)
        one_of("jpeg.subsampling", self.subsampling, ("4:4:4", "4:2:2", "4:2:0"))
