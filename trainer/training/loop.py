"""The run: step after step, with what is due in between, exact to go on wherever it was stopped."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurkit.errors import BlurkitError
from blurkit.program.signals import Stop
from trainer.config import TrainingRecipe
from trainer.data.pairs import Pairs
from trainer.data.stream import Stream
from trainer.evaluation.curves import draw_curves
from trainer.evaluation.metrics import choose_metrics
from trainer.evaluation.pictures import Row, draw_triples
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import Score, score_pairs, show
from trainer.networks.weights import save_generator
from trainer.training import checkpoint
from trainer.training.checkpoint import Checkpoint, Origin
from trainer.training.device import memory_advice
from trainer.training.distributed import Ranks
from trainer.training.step import Step
from trainer.training.watch import METRICS, Watch

#: Steps in a row that may come out as no numbers.
MOST_SKIPPED = 10
#: Pairs on the sheet of a validation.
SHOWN = 4
#: Decibels that count where a pair is not blurred at all, lest the mean be infinite.
MOST = 99.0

_PSNR = choose_metrics("psnr")


@dataclass(frozen=True)
class TrainingRun:
    """What a run is given: pairs to train on and pairs held out, its folder, and where and by whom it is computed."""

    recipe: TrainingRecipe
    train: Pairs
    held: Pairs
    out: Path
    device: torch.device
    ranks: Ranks

    @property
    def origin(self) -> Origin:
        """What a checkpoint of this run says that it is of."""
        threads = torch.get_num_threads() if self.device.type == "cpu" else 0
        return Origin(self.recipe.digest, self.train.digest, self.device.type, threads, self.ranks.world)


def run_steps(run: TrainingRun, step: Step, begin: Checkpoint | None, *, stop: Stop, watch: Watch | None) -> Checkpoint:
    """Train from ``begin``, or from the start, to the recipe's last step; the last checkpoint.

    What is due after a step, validation and then a checkpoint, is done before the next step. After a signal a checkpoint is
    written and :class:`StoppedError` is raised. ``MOST_SKIPPED`` steps in a row without a number raise :class:`BlurkitError`.
    Only the first process has a watch.
    """
    recipe, ranks = run.recipe, run.ranks
    now = begin or Checkpoint(run.origin, 0, 0, {"best": -math.inf}, {})
    if begin is not None:
        step.load_state_dict(begin.state)
    saved, process = now.step, (ranks.rank, ranks.world)
    with Stream(run.train, recipe, process=process, consumed=now.consumed, device=run.device) as stream:
        while True:
            if now.step and _due(now.step, recipe.validate_every, recipe.steps) and now.validation.get("step") != now.step:
                now = replace(now, validation=_validated(run, step, now, stop, watch))
            stop.signal = ranks.agree(stop.signal, run.device)
            if saved != now.step and (stop or _due(now.step, recipe.checkpoint_every, recipe.steps)):
                _save(run, step, now)
                saved = now.step
            if stop:
                ranks.wait()  # until the first has written it
                raise stop.error(f"a checkpoint of step {now.step:,} is in {run.out}")
            if now.step == recipe.steps:
                return now
            losses = step(now.step, *next(stream))
            now = replace(now, step=now.step + 1, consumed=stream.consumed)
            _require_numbers(step, now.step, run.device, watch)
            if watch is not None:
                watch.step(now.step, losses, recipe.rate(now.step - 1))


def _due(done: int, every: int, steps: int) -> bool:
    return done % every == 0 or done == steps


def _require_numbers(step: Step, done: int, device: torch.device, watch: Watch | None) -> None:
    """To read the count is to wait for the device, so on a GPU that is done now and then."""
    if device.type == "cuda" and done % MOST_SKIPPED:
        return
    in_a_row, in_all = map(int, step.skipped.tolist())
    if in_a_row and watch is not None:
        watch.say(f"step {done:,} is skipped: a loss or a gradient is no number ({in_all} steps so far)")
    if in_a_row >= MOST_SKIPPED:
        raise BlurkitError(
            f"step {done:,}: {in_a_row} steps in a row gave losses or gradients that are no numbers ({in_all} in all) "
            "and were skipped; lower optimizer.rate or set optimizer.clip, and begin anew with --resume never"
        )


def _validated(run: TrainingRun, step: Step, now: Checkpoint, stop: Stop, watch: Watch | None) -> dict[str, float]:
    """Validation after a step, its line, its pictures and, where it is the best so far, that checkpoint; by the first process.

    Its means are decibels, of whole pairs.
    """
    if watch is None:
        return {**now.validation, "step": now.step}
    recipe, held = run.recipe, run.held.spread(run.recipe.validate_pairs)
    restore = Restorer(step.average, run.device, bf16=recipe.precision.bf16)
    with memory_advice("name smaller pairs with --val"):
        scores = validate(held, restore, stop)
    if stop:
        return now.validation
    both = np.array([(score.blurred["psnr"], score.restored["psnr"]) for score in scores])
    before, after = np.minimum(both, MOST).mean(axis=0).tolist()
    watch.write(now.step, {"val/psnr": after, "val/psnr_blurred": before})
    shown = range(0, len(scores), math.ceil(len(scores) / SHOWN))
    rows = [show(restore, held, index, scores[index], _PSNR) for index in shown]
    level = f"{len(scores)} held-out pairs: {before:.2f} dB blurred, {after:.2f} dB restored (mean PSNR)"
    draw(run.out, rows, title=f"{recipe.name}, {now.step:,} of {recipe.steps:,} steps", subtitle=level)
    best = max(now.validation["best"], after)
    validation = {"step": now.step, "psnr": after, "psnr_blurred": before, "best": best}
    if best > now.validation["best"]:
        _save(run, step, replace(now, validation=validation), best=True)
    return validation


def validate(held: Pairs, restore: Restorer, stop: Stop) -> list[Score]:
    """Restore these pairs, whole, and score them; fewer of them where a signal came meanwhile."""
    return list(itertools.takewhile(lambda _: not stop, score_pairs(restore, held, _PSNR)))


def draw(out: Path, rows: Sequence[Row], **titles: str) -> None:
    """Write ``validation.png``, a sheet of a few of the pairs, and ``curves.png``, of all of ``metrics.jsonl``, into a folder."""
    draw_triples(out / "validation.png", rows, **titles)
    draw_curves(out / "curves.png", [json.loads(line) for line in (out / METRICS).read_text().splitlines()], **titles)


def _save(run: TrainingRun, step: Step, now: Checkpoint, *, best: bool = False) -> None:
    """Write a checkpoint, and the weights of the generator that is kept: into the run's folder, those of the best into its folder
    ``best``. The first process does that."""
    if not run.ranks.first:
        return
    checkpoint.save(run.out, replace(now, state=step.state_dict()), best=best)
    folder = run.out / "best" if best else run.out
    folder.mkdir(exist_ok=True)
    about: dict[str, Any] = {"generator": run.recipe.generator.spec, "recipe": run.recipe.name, "step": now.step}
    validation = {key: value for key, value in now.validation.items() if math.isfinite(value)}
    about |= {"recipe_digest": run.recipe.digest, "data_digest": run.train.digest, "validation": validation}
    save_generator(folder, step.average, about)
