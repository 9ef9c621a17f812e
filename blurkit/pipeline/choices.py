"""The choices of a user. ``generate`` and ``preview`` share them, so that a preview shows the pairs that would be stored."""

from __future__ import annotations

import os
from dataclasses import dataclass

from blurkit.errors import UsageError
from blurkit.pipeline.plan import Plan, make_plan
from blurkit.pipeline.settings import DEFAULT_SIZE, Settings, parse_size
from blurkit.program.checks import require
from blurkit.program.toml import parse_value
from blurkit.recipes.load import DEFAULT, load_recipe
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.shard.documents import DEFAULT_SHARD_BYTES
from blurkit.sources.selection import Selection, select

#: What is said about pairs. Each is in a plan only if it is said.
_OF_PAIRS = ("licence", "blurred", "sharp", "side_by_side")


@dataclass(frozen=True)
class Choices(Selection):
    """Values as the command line gives them. ``settings``: texts KEY=VALUE, with keys of the recipe or ``shard_bytes``."""

    recipe: str = DEFAULT
    settings: tuple[str, ...] = ()
    size: str = DEFAULT_SIZE
    per_image: int = 1
    downscale: int = 1
    min_sharpness: float = 0.0
    masks: bool = False
    seed: int = 0
    store: str = "pairs"

    def load_recipe(self) -> Recipe | Mixture:
        """Loads the recipe and applies its settings."""
        return load_recipe(self.recipe, [setting for setting in self.settings if not _is_shard_bytes(setting)])

    def plan(self) -> Plan:
        """Makes the plan of these choices. This opens the source and reads no pixels."""
        recipe = self.load_recipe()
        masks = self.masks or any(part.objects for part in recipe.parts)
        values = {name: getattr(self, name) for name in ("seed", "per_image", "downscale", "min_sharpness", "store")}
        settings = Settings(recipe, size=parse_size(self.size), shard_bytes=self._shard_bytes(), masks=masks, **values)
        choice = {
            "split": self.split,
            "shares": Selection.shares if self.split == "all" else self.shares,
            "license": self.license or "all",
            "limit": list(self.limit),
            "weight": list(self.weight),
            "annotations": os.path.basename(self.annotations or "newest"),
            **{name: value for name in _OF_PAIRS if (value := getattr(self, name))},
        }
        return make_plan(select(self, masks=settings.masks), settings, choice=choice)

    def _shard_bytes(self) -> int:
        values = [parse_value(setting.partition("=")[2].strip()) for setting in self.settings if _is_shard_bytes(setting)]
        value = values[-1] if values else DEFAULT_SHARD_BYTES
        require(type(value) is int, f"shard_bytes takes a whole number of bytes, got {value!r}")
        return int(value)


def _is_shard_bytes(setting: str) -> bool:
    return setting.partition("=")[0].strip() == "shard_bytes"


def parse_slice(text: str | None) -> tuple[int, int] | None:
    """Converts ``"0/4"`` to (0, 4), and ``"slurm"`` to the slice of this Slurm array task. ``None`` is no slice."""
    if text is None:
        return None
    if text == "slurm":
        return _slurm_slice()
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and int(number) < int(count):
        return int(number), int(count)
    raise UsageError(f"--slice is I/N with I from 0 to N - 1, such as 0/4, or the word slurm; got {text!r}")


def _slurm_slice() -> tuple[int, int]:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
    values = [os.environ.get(name, "") for name in names]
    unset = [name for name, value in zip(names, values, strict=True) if not value.isdecimal()]
    require(not unset, f"--slice slurm needs the variable {', '.join(unset)}: run it in a job array (sbatch --array=0-7)")
    task, lowest, count = map(int, values)
    step = int(os.environ.get("SLURM_ARRAY_TASK_STEP") or 1)
    number = (task - lowest) // step
    require(0 <= number < count, f"--slice slurm: task {task} is not among {count} tasks from {lowest} in steps of {step}")
    return number, count
