"""Recipes: what is drawn for a sample, as frozen dataclasses that read from and write to TOML.

A recipe's digest covers every value that can change a pixel, and the contents of the files it names; its name and its
description are not part of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from blurkit.configuration import assign, from_dict, one_of, require, to_dict, to_toml, with_setting, with_value
from blurkit.errors import UsageError, nearest
from blurkit.noise import Noise
from blurkit.sections import (
    Bayer,
    Defocus,
    FrameAveraging,
    Jpeg,
    Kernel,
    Objects,
    ResponseCurves,
    Rotation,
    Saturation,
    Sensor,
    Trajectory,
)

DEFAULT = "handheld"


@dataclass(frozen=True)
class Recipe:
    """Everything that is drawn for a sample. A section that is ``None`` is left out of the physics."""

    name: str = "custom"
    summary: str = ""
    provenance: str = ""
    kernels: str = ""
    trajectory: Trajectory | None = None
    rotation: Rotation | None = None
    objects: Objects | None = None
    frames: FrameAveraging | None = None
    kernel: Kernel = Kernel()
    defocus: Defocus | None = None
    response: ResponseCurves = ResponseCurves()
    sensor: Sensor | None = None
    saturation: Saturation | None = None
    noise: Noise | None = None
    bayer: Bayer | None = None
    jpeg: Jpeg | None = None

    def check(self) -> Recipe:
        """This recipe, with every value checked, or a :class:`UsageError` that names the key."""
        for field in dataclasses.fields(self):
            section = getattr(self, field.name)
            if dataclasses.is_dataclass(section):
                section.check()  # type: ignore[union-attr]
        if self.frames:
            self._alone(
                "frames", ("kernels", "trajectory", "rotation", "objects", "defocus"), "averaged frames hold their motion"
            )
            return self
        if self.objects:
            self._alone("objects", ("kernels", "defocus"), "objects move on top of a path of the camera, all in focus")
        if self.rotation:
            self._alone("rotation", ("kernels", "trajectory"), "no kernel holds for the whole frame")
            one_of("kernel.anchor (of a rotation)", self.kernel.anchor, ("centroid",))
            return self
        if self.kernels:
            one_of("kernel.anchor (of a bank)", self.kernel.anchor, ("centroid", "stored"))
            return dataclasses.replace(self, trajectory=None)  # a bank's kernels come instead of trajectories
        require(
            self.trajectory is not None,
            f"recipe {self.name!r} draws its kernels from a bank: name one with --set kernels=FILE (.npz, .h5, .mat or a folder)",
        )
        one_of("kernel.anchor", self.kernel.anchor, ("centroid", "start", "midpoint", "bbox"))
        return self

    def _alone(self, section: str, others: tuple[str, ...], why: str) -> None:
        """Require that none of the others is there beside a section."""
        found = [f"[{other}]" if other != "kernels" else other for other in others if getattr(self, other)]
        require(not found, f"recipe {self.name!r}: with [{section}], {why}; leave out {', '.join(found)}")

    def named_files(self) -> dict[str, str]:
        """Each value that may name a file, by its key."""
        from blurkit.response import is_curve

        named = {"kernels": self.kernels, "response.decode": self.response.decode, "response.encode": self.response.encode}
        return {key: value for key, value in named.items() if value and not is_curve(value)}

    def files(self) -> dict[str, str]:
        """The path of each file that this recipe reads, by its key."""
        return {key: path for key, path in self.named_files().items() if key == "kernels" or Path(path).is_file()}

    def portable_toml(self) -> str:
        """The recipe as TOML with file names in place of paths, and the sha256 of each file under ``[files]``."""
        values = to_dict(self)
        digests = {}
        for key, path in self.files().items():
            assign(values, key, Path(path).name)
            digests[key] = _file_digest(path)
        if digests:
            values["files"] = digests
        return to_toml(values)

    def digest(self) -> str:
        """A hexadecimal sha256 of all that can change a pixel."""
        values = tomllib.loads(self.portable_toml())
        for key in ("name", "summary", "provenance"):
            values.pop(key)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def recipe_names() -> list[str]:
    """The names of the recipes in the package."""
    return sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml"))


def packaged_text(name: str) -> str:
    """The TOML text of a recipe in the package."""
    return str((_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def load_recipe(name: str = DEFAULT, settings: Iterable[str] = ()) -> Recipe:
    """A recipe by name or TOML file, with ``settings`` such as ``"trajectory.length=[5, 40]"`` or ``"noise=none"`` applied."""
    if name in recipe_names():
        text, folder = packaged_text(name), None
    elif name.endswith(".toml") or Path(name).is_file():
        folder = Path(name).parent
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"recipe {name} cannot be read: {error}") from error
    else:
        raise UsageError(
            f"unknown recipe {name!r}: it is none of {', '.join(recipe_names())}, nor a .toml file{nearest(name, recipe_names())}"
        )
    return recipe_from_toml(text, where=f"recipe {name}", folder=folder, settings=settings)


def recipe_from_toml(text: str, *, where: str = "recipe", folder: Path | None = None, settings: Iterable[str] = ()) -> Recipe:
    """A checked recipe from TOML text. Relative paths of files are taken from ``folder``, those in ``settings`` from here."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not valid TOML: {error}") from error
    digests = values.pop("files", {})
    recipe = from_dict(Recipe, values, where=where)
    if folder is not None:
        for key, value in recipe.named_files().items():
            if (folder / value).is_file() or (key == "kernels" and (folder / value).is_dir()):
                recipe = with_value(recipe, key, str(folder / value), where=where)
    for setting in settings:
        recipe = with_setting(recipe, setting)
    recipe = recipe.check()
    for key, path in recipe.files().items():
        if key in digests and digests[key] != _file_digest(path):
            raise UsageError(f"{where}: {path} is not the file that this recipe was made with (its sha256 differs)")
    return recipe


def _folder() -> Any:
    return resources.files("blurkit") / "recipes"


def _file_digest(path: str) -> str:
    file = Path(path)
    parts = sorted(file.iterdir()) if file.is_dir() else [file]
    digest = hashlib.sha256()
    try:
        for part in parts:
            digest.update(part.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; a recipe names this file") from error
    return digest.hexdigest()
