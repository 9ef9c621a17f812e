"""The recipe of a sample: frozen dataclasses that say what is drawn. :mod:`blurkit.recipes.load` reads them from TOML.

The digest of a recipe covers every value that can change a pixel, and the contents of the files that the recipe names. It does
not cover the name and the description of the recipe.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.camera.noise import Noise
from blurkit.camera.response import is_curve
from blurkit.errors import UnreadableFileError, UsageError
from blurkit.program.checks import one_of, require
from blurkit.program.files import read_regular
from blurkit.program.toml import assign, to_dict, to_toml
from blurkit.recipes import sections

#: For a section: the keys that exclude it, and the reason.
_EXCLUSIONS = {
    "real": (
        (
            *("kernels", "trajectory", "rotation", "objects", "frames", "defocus"),
            *("sensor", "saturation", "noise", "bayer", "jpeg"),
        ),
        "nothing is simulated",
    ),
    "frames": (("kernels", "trajectory", "rotation", "objects", "defocus"), "the frames already contain the motion"),
    "objects": (("kernels", "defocus"), "objects move relative to a path of the camera, and everything is in focus"),
    "rotation": (("kernels", "trajectory"), "no single kernel is valid for the whole frame"),
}

#: A recipe reads no larger file.
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Recipe:
    """Everything that is drawn for a sample. A section that is ``None`` switches off its step of the physics."""

    name: str = "custom"
    summary: str = ""
    provenance: str = ""
    kernels: str = ""
    trajectory: sections.Trajectory | None = None
    rotation: sections.Rotation | None = None
    objects: sections.Objects | None = None
    frames: sections.FrameAveraging | None = None
    real: sections.RealBlur | None = None
    kernel: sections.Kernel = sections.Kernel()
    defocus: sections.Defocus | None = None
    response: sections.ResponseCurves = sections.ResponseCurves()
    sensor: sections.Sensor | None = None
    saturation: sections.Saturation | None = None
    noise: Noise | None = None
    bayer: sections.Bayer | None = None
    jpeg: sections.Jpeg | None = None

    def check(self) -> Recipe:
        """Checks every value. Returns this recipe, without ``trajectory`` if its kernels come from a bank. Raises
        :class:`UsageError` with the name of a wrong key."""
        for field in dataclasses.fields(self):
            section = getattr(self, field.name)
            if dataclasses.is_dataclass(section):
                section.check()  # type: ignore[union-attr]
        for section, (others, reason) in _EXCLUSIONS.items():
            excluded = [other if other == "kernels" else f"[{other}]" for other in others if getattr(self, other)]
            conflict = excluded and getattr(self, section)
            require(not conflict, f"recipe {self.name!r}: remove {', '.join(excluded)}, because with [{section}] {reason}")
        if self.frames or self.real:
            return self
        if self.rotation:
            one_of("kernel.anchor (of a rotation)", self.kernel.anchor, ("centroid",))
            return self
        if self.kernels:
            one_of("kernel.anchor (of a bank)", self.kernel.anchor, ("centroid", "stored"))
            return dataclasses.replace(self, trajectory=None)  # the kernels of a bank replace paths
        require(
            self.trajectory is not None,
            f"recipe {self.name!r} takes kernels from a bank: name it with --set kernels=FILE (.npz, .h5, .mat or a folder)",
        )
        one_of("kernel.anchor", self.kernel.anchor, ("centroid", "start", "midpoint", "bbox"))
        return self

    def named_files(self) -> dict[str, str]:
        """Each value that may name a file, by its key."""
        named = {"kernels": self.kernels, "response.decode": self.response.decode, "response.encode": self.response.encode}
        return {key: value for key, value in named.items() if value and not is_curve(value)}

    def files(self) -> dict[str, str]:
        """The path of each file that this recipe reads, by its key."""
        return {key: path for key, path in self.named_files().items() if key == "kernels" or Path(path).is_file()}

    @property
    def parts(self) -> tuple[Recipe, ...]:
        """The recipes that samples are drawn from: only this recipe. A :class:`blurkit.recipes.mixture.Mixture` has several."""
        return (self,)

    def choose(self, *, rng: np.random.Generator) -> tuple[Recipe, dict[str, float]]:
        """Returns the recipe of one sample and the parameters of the choice: this recipe and none. Nothing is drawn."""
        return self, {}

    def portable(self) -> dict[str, Any]:
        """The recipe as nested dictionaries. File names replace paths. The sha256 of each file is under ``files``."""
        values = to_dict(self)
        digests = {}
        for key, path in self.files().items():
            assign(values, key, Path(path).name)
            digests[key] = file_digest(path)
        return {**values, "files": digests} if digests else values

    def portable_toml(self) -> str:
        """The TOML text of :meth:`portable`."""
        return to_toml(self.portable())

    def digest(self) -> str:
        """The hexadecimal sha256 of every value that can change a pixel."""
        values = tomllib.loads(self.portable_toml())
        for key in ("name", "summary", "provenance"):
            values.pop(key)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_digest(path: str) -> str:
    """The sha256 of a file that a recipe names, or of all files of a folder, in the order of their names."""
    file = Path(path)
    parts = sorted(file.iterdir()) if file.is_dir() else [file]
    digest = hashlib.sha256()
    try:
        for part in parts:
            digest.update(read_regular(part, most=MOST_BYTES))
    except UnreadableFileError as error:
        raise UsageError(f"{path}: {error} The recipe names this file.") from error
    return digest.hexdigest()
