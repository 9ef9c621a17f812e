"""The files that a run writes beside its checkpoints. All of them follow from a checkpoint and the lines of metrics.

A kill between a checkpoint and these files leaves them old or missing. So a continued run completes them before its first step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from blurkit.errors import BlurkitError, UnreadableFileError
from blurkit.program.files import open_regular, read_all, remove_temporaries, write_atomic
from trainer.config import TrainingRecipe
from trainer.networks.weights import DESCRIPTION, NAME, generator_files
from trainer.training import checkpoint
from trainer.training.checkpoint import RECIPE, Checkpoint
from trainer.training.watch import METRICS

SHEET, CURVES = "validation.png", "curves.png"
#: The folder with the weights of the best validation.
BEST = "best"
#: What a run knows of its best validation before the first.
UNKNOWN_BEST: Mapping[str, float] = {"best": -math.inf, "best_step": 0}


def write_weights(folder: Path, state: Mapping[str, Tensor], recipe: TrainingRecipe, now: Checkpoint) -> None:
    """Write the weights ``state`` of a generator and their description to a folder, unless it holds them already."""
    about: dict[str, Any] = {"generator": recipe.generator, "recipe": recipe.name, "step": now.step}
    validation = {key: value for key, value in now.validation.items() if math.isfinite(value) and key != "pairs"}
    about |= {"recipe_digest": recipe.digest, "data_digest": now.origin.data, "validation": validation}
    folder.mkdir(exist_ok=True)
    for name, data in generator_files(state, about).items():
        if not _holds(folder / name, data):
            write_atomic(folder / name, data)


def clean(out: Path, *, after: int) -> None:
    """Remove temporary files of a killed run, and the checkpoints of steps that are repeated; see :func:`checkpoint.clean`. If
    ``after`` is 0, the best weights are removed too."""
    checkpoint.clean(out, after=after)
    if not after:
        for name in (NAME, DESCRIPTION):
            (out / BEST / name).unlink(missing_ok=True)
    remove_temporaries(out, {NAME, DESCRIPTION, RECIPE, METRICS, SHEET, CURVES}.__contains__)
    remove_temporaries(out / BEST, {NAME, DESCRIPTION}.__contains__)


def complete(out: Path, recipe: TrainingRecipe, begin: Checkpoint, *, pairs: int) -> Checkpoint:
    """Complete the files of the folder ``out`` for a run that continues ``begin``. ``pairs``: the key of the pairs on which it
    validates.

    Returns ``begin`` with the best PSNR of which the folder holds the weights, and its step. If a file of its validation is
    missing, or if it was on other pairs, it is returned without this validation, so that the run repeats it.
    """
    best = _complete_best(out, recipe, begin, pairs)
    validation = {**begin.validation, **best}
    drawn = all((out / name).exists() for name in (SHEET, CURVES)) and _is_on(pairs, begin)
    if validation.get("step") == begin.step and not (drawn and math.isfinite(validation["best"])):
        validation = {**best}
    write_weights(out, begin.state["average"], recipe, begin)
    return replace(begin, validation=validation)


def _complete_best(out: Path, recipe: TrainingRecipe, begin: Checkpoint, pairs: int) -> Mapping[str, float]:
    """Write the best weights from the best checkpoint. Returns its PSNR and its step, or :data:`UNKNOWN_BEST` if this run has no
    such checkpoint, or if other pairs decided it."""
    try:
        best = checkpoint.load(out / checkpoint.FOLDER / checkpoint.BEST)
    except BlurkitError:  # missing or damaged: the next validation writes it
        return UNKNOWN_BEST
    if best.origin.recipe == checkpoint.digest_of(recipe, steps=begin.step):  # that of a shorter run, which goes on
        best = replace(best, origin=replace(best.origin, recipe=begin.origin.recipe))
        checkpoint.save(out, best, best=True)
    origin, now = best.origin, begin.origin
    same = (origin.recipe, origin.data, origin.pairs) == (now.recipe, now.data, now.pairs)
    if not (same and _is_on(pairs, best)):
        return UNKNOWN_BEST
    write_weights(out / BEST, best.state["average"], recipe, best)
    return {"best": best.validation["best"], "best_step": best.step}


def _is_on(pairs: int, checkpoint: Checkpoint) -> bool:
    """Whether the validation of a checkpoint is on these pairs. Older versions do not say it."""
    return checkpoint.validation.get("pairs", pairs) == pairs


def _holds(path: Path, data: bytes) -> bool:
    try:
        with open_regular(path) as descriptor:
            return read_all(descriptor, len(data) + 1) == data
    except UnreadableFileError:
        return False
