"""The training loop: steps, validations and checkpoints. A run can be stopped after any step and continued exactly."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from blurkit.errors import BlurkitError
from blurkit.program.signals import Stop
from trainer.config import TrainingRecipe
from trainer.data.pairs import Pairs
from trainer.data.stream import Stream
from trainer.evaluation.curves import draw_curves
from trainer.evaluation.metrics import load_metrics
from trainer.evaluation.pictures import Row, draw_triples
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import Score, make_row, score_pairs
from trainer.training import checkpoint
from trainer.training.checkpoint import Checkpoint, Origin
from trainer.training.device import memory_advice
from trainer.training.distributed import Ranks
from trainer.training.outputs import BEST, CURVES, SHEET, UNKNOWN_BEST, write_weights
from trainer.training.step import Step
from trainer.training.watch import METRICS, Watch

#: The number of steps in a row with losses or gradients that are not finite, after which the run ends.
MOST_SKIPPED = 10
#: Several GPUs agree to stop after this many steps.
AGREE = 10
#: The most times that a run draws its sheet and its curves, which takes a second of the processor each time.
DRAWN = 100
#: The number of pairs on the sheet of a validation.
SHOWN = 4
#: The highest PSNR in decibels that counts, since the PSNR of a pair without blur is infinite.
MOST = 99.0

_PSNR = load_metrics("psnr")


@dataclass(frozen=True)
class TrainingRun:
    """The inputs of a run: recipe, training pairs, held-out pairs, folder, device, processes, and the digest of the weights that
    the generator starts from, empty if they are drawn."""

    recipe: TrainingRecipe
    train: Pairs
    held: Pairs
    out: Path
    device: torch.device
    ranks: Ranks
    init: str = ""

    @property
    def origin(self) -> Origin:
        """The origin that is stored in the checkpoints of this run."""
        recipe, world = self.recipe, self.ranks.world
        threads = torch.get_num_threads() if self.device.type == "cpu" else 0
        about = {"data": self.train.digest, "device": self.device.type, "init": self.init}
        return Origin.of(recipe, threads=threads, processes=world, **about)

    @functools.cached_property
    def validated(self) -> Pairs:
        """The held-out pairs that each validation restores."""
        return self.held.spread(self.recipe.validate_pairs)

    @functools.cached_property
    def validated_key(self) -> int:
        """Identifies these pairs. Only validations on the same pairs are compared."""
        return int(self.validated.digest[:12], 16)


def run_steps(run: TrainingRun, step: Step, begin: Checkpoint | None, *, stop: Stop, watch: Watch | None) -> Checkpoint:
    """Trains from ``begin``, or from the start, to the last step of the recipe. Returns the last checkpoint.

    ``step`` holds the state of ``begin`` already.

    If a validation or a checkpoint is due after a step, it is done before the next step, the validation first. After a signal,
    writes a checkpoint and raises :class:`StoppedError`. Raises :class:`BlurkitError` after ``MOST_SKIPPED`` skipped steps in
    a row. ``watch`` is None except in the first process.
    """
    recipe, ranks = run.recipe, run.ranks
    now = begin or Checkpoint(run.origin, 0, 0, {**UNKNOWN_BEST}, {})
    saved = now.step if (run.out / checkpoint.FOLDER / now.name).exists() else 0
    process = ranks.rank, ranks.world
    with Stream(run.train, recipe, process=process, consumed=now.consumed, device=run.device) as stream:
        while True:
            if now.step and _due(now.step, recipe.validate_every, recipe.steps) and now.validation.get("step") != now.step:
                now = replace(now, validation=_validated(run, step, now, stop, watch))
            stopped = _stopped(run, now, stop)
            if saved != now.step and (stopped or _due(now.step, recipe.checkpoint_every, recipe.steps)):
                _save(run, step, now, watch)
                saved = now.step
            if stopped:
                ranks.wait()  # the first process has to write the checkpoint first
                kept = f"a checkpoint of step {now.step:,} is in {run.out}"
                raise stop.error(kept if now.step else "no step was completed, so there is no checkpoint")
            if now.step == recipe.steps:
                return now
            losses = step(now.step, *next(stream))
            now = replace(now, step=now.step + 1, consumed=stream.consumed)
            _require_finite(step, now.step, run.device, watch)
            if watch is not None:
                watch.step(now.step, losses, recipe.rate(now.step - 1))


def _stopped(run: TrainingRun, now: Checkpoint, stop: Stop) -> bool:
    """Whether all processes end here, since one of them got a signal. To agree, GPUs have to wait for each other, so several of
    them agree only after each :data:`AGREE` steps, and after a validation, which a signal cuts short."""
    recipe = run.recipe
    agree = now.step % AGREE == 0 or _due(now.step, recipe.validate_every, recipe.steps)
    if run.ranks.world > 1 and run.device.type == "cuda" and not agree:
        return False
    stop.signal = run.ranks.agree(stop.signal, run.device)
    return bool(stop)


def _due(done: int, every: int, steps: int) -> bool:
    return done % every == 0 or done == steps


def _require_finite(step: Step, done: int, device: torch.device, watch: Watch | None) -> None:
    """Raise after too many skipped steps in a row. Reading their count waits for the device, so it is rarely read from a GPU."""
    if device.type == "cuda" and done % MOST_SKIPPED:
        return
    in_a_row, in_all = map(int, step.skipped.tolist())
    if in_a_row and watch is not None:
        watch.message(f"step {done:,} was skipped, since a loss or a gradient is not finite ({in_all} skipped steps so far)")
    if in_a_row >= MOST_SKIPPED:
        raise BlurkitError(
            f"step {done:,}: {in_a_row} steps in a row were skipped ({in_all} in all): a loss or a gradient was not finite; "
            "lower optimizer.rate or set optimizer.clip, and start again with --resume never"
        )


def _validated(run: TrainingRun, step: Step, now: Checkpoint, stop: Stop, watch: Watch | None) -> dict[str, float]:
    """Validate in the first process: write metrics, pictures and, if it is the best so far, the best checkpoint."""
    if watch is None:
        return {**now.validation, "step": now.step}
    recipe, held = run.recipe, run.validated
    restore = Restorer(step.average, run.device, bf16=recipe.precision.bf16)
    with memory_advice("name smaller pairs with --val"):
        scores = validate(held, restore, stop)
    if stop:
        return now.validation
    both = np.array([(score.blurred["psnr"], score.restored["psnr"]) for score in scores])
    before, after = np.minimum(both, MOST).mean(axis=0).tolist()
    watch.write(now.step, {"val/psnr": after, "val/psnr_blurred": before})
    rarely = recipe.validate_every * math.ceil(recipe.steps / recipe.validate_every / DRAWN)
    if _due(now.step, rarely, recipe.steps) or not all((run.out / name).exists() for name in (SHEET, CURVES)):
        shown = range(0, len(scores), math.ceil(len(scores) / SHOWN))
        rows = [make_row(restore, held, index, scores[index], _PSNR) for index in shown]
        level = f"{len(scores)} held-out pairs: {before:.2f} dB blurred, {after:.2f} dB restored (mean PSNR)"
        draw(run.out, rows, title=f"{recipe.name}, {now.step:,} of {recipe.steps:,} steps", subtitle=level)
    best = {key: now.validation[key] for key in UNKNOWN_BEST}
    validation = {**best, "step": now.step, "psnr": after, "psnr_blurred": before, "pairs": run.validated_key}
    if after > validation["best"]:
        validation |= {"best": after, "best_step": now.step}
        _save(run, step, replace(now, validation=validation), watch, best=True)
    return validation


def validate(held: Pairs, restore: Restorer, stop: Stop) -> list[Score]:
    """Restores whole pairs and returns their scores. After a signal the remaining pairs are left out."""
    return list(itertools.takewhile(lambda _: not stop, score_pairs(restore, held, _PSNR)))


def draw(out: Path, rows: Sequence[Row], **titles: str) -> None:
    """Write ``validation.png``, a sheet of ``rows``, and ``curves.png``, the curves of ``metrics.jsonl``, to a folder."""
    draw_triples(out / SHEET, rows, **titles)
    draw_curves(out / CURVES, [json.loads(line) for line in (out / METRICS).read_text().splitlines()], **titles)


def _save(run: TrainingRun, step: Step, now: Checkpoint, watch: Watch | None, *, best: bool = False) -> None:
    """Write a checkpoint and the generator (averaged, if the recipe says so) to the run's folder or its folder ``best``."""
    if watch is None:
        return
    now = replace(now, origin=run.origin, state=step.state_dict(), losses=watch.losses)
    checkpoint.save(run.out, now, best=best)
    write_weights(run.out / BEST if best else run.out, step.average.state_dict(), run.recipe, now)
