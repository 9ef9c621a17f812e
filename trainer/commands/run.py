"""``trainer run``: train."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blurkit.errors import OK, UsageError
from blurkit.program.files import locked, make_folder, write_atomic
from blurkit.program.progress import plural
from blurkit.program.signals import stopping
from trainer.config import differences, load_recipe, parse_recipe
from trainer.data.pairs import Pairs, hold_out, open_pairs
from trainer.training import checkpoint
from trainer.training.checkpoint import Checkpoint
from trainer.training.device import choose_device, memory_advice
from trainer.training.distributed import joined
from trainer.training.loop import TrainingRun, run_steps
from trainer.training.step import build_step
from trainer.training.watch import Watch

RECIPE = "recipe.toml"
#: Of the photographs, where none are named for validation.
SHARE = 0.1


@dataclass(frozen=True)
class RunOptions:
    """The options: ``resume`` is "auto", "never" or a file; ``weight`` is empty or has a number for each of ``data``."""

    data: tuple[Path, ...]
    val: tuple[Path, ...]
    weight: tuple[float, ...]
    out: Path | None
    recipe: str
    settings: tuple[str, ...]
    device: str
    resume: str
    json: bool
    quiet: bool


def run(options: RunOptions) -> int:
    """Train from the newest checkpoint where there is one, and say what came of it. Returns the exit code."""
    recipe = load_recipe(options.recipe, options.settings)
    out = options.out or Path("runs") / recipe.name
    device, reason = choose_device(options.device)
    data = open_pairs(options.data, weights=options.weight or None)
    train, held = (data, open_pairs(options.val)) if options.val else hold_out(data, SHARE, seed=recipe.seed)
    with joined(device) as ranks, contextlib.ExitStack() as stack:
        training = TrainingRun(recipe, train, held, out, device, ranks)
        if ranks.first:
            make_folder(out)
            stack.enter_context(locked(out / ".lock"))
        begin = _begin(options.resume, training)
        ranks.wait()  # until all have read what the first is about to change
        watch = None
        if ranks.first:
            start = begin.step if begin else 0
            checkpoint.clean(out, after=start)
            write_atomic(out / RECIPE, recipe.toml().encode())
            watch = Watch(out, start=start, steps=recipe.steps, every=recipe.log_every, quiet=options.quiet)
            for line in (f"on {reason}", _pairs_text(training, options), *([f"resumed at step {start:,}"] if begin else [])):
                watch.say(line)
            stack.callback(watch.close)
        advice = f"lower --set batch={max(recipe.batch // 2, 1)} or --set crop={recipe.crop // 2}, or raise --set accumulate"
        stop = stack.enter_context(stopping())
        with memory_advice(advice):
            end = run_steps(training, build_step(recipe, device, ranks), begin, stop=stop, watch=watch)
        if ranks.first:
            _report(training, end, as_json=options.json)
    return OK


def _begin(resume: str, run: TrainingRun) -> Checkpoint | None:
    """The checkpoint to go on from, of this very run."""
    if resume == "never":
        return None
    path = None if resume == "auto" else Path(resume)
    begin = checkpoint.newest(run.out) if path is None else checkpoint.load(path)
    if begin is None:
        return None
    where = path or run.out
    recorded = run.out / RECIPE
    if begin.origin.recipe != run.recipe.digest and recorded.exists():
        changed = differences(parse_recipe(recorded.read_text(), where=str(recorded)), run.recipe)
        raise UsageError(
            f"{where} was begun with another recipe: {'; '.join(changed) or 'its name alone is the same'}. Run it as it was "
            "begun, choose another --out, or begin anew with --resume never"
        )
    begin.origin.require_same(run.origin, where)
    return begin


def _pairs_text(run: TrainingRun, options: RunOptions) -> str:
    """Which pairs are learned from, and which are not."""
    train, held = run.train, run.held
    text = f"{plural(len(train), 'pair')} of {plural(_photographs(train), 'photograph')} to learn from"
    if options.val:
        both = np.isin(held.photographs, train.photographs).sum()
        return text + (f"; WARNING: {plural(int(both), 'pair')} of --val are of the same photographs" if both else "")
    return f"{text}; {plural(_photographs(held), 'photograph')} ({plural(len(held), 'pair')}) held out, as no --val is named"


def _photographs(pairs: Pairs) -> int:
    return len(np.unique(pairs.photographs))


def _report(run: TrainingRun, end: Checkpoint, *, as_json: bool) -> None:
    out, found = run.out, end.validation
    files = {"weights": out / "generator.safetensors", "sheet": out / "validation.png", "curves": out / "curves.png"}
    if as_json:
        levels = {key: round(found[key], 4) for key in ("psnr_blurred", "psnr", "best")}
        print(json.dumps({"out": str(out), "steps": end.step, **levels, **{name: str(path) for name, path in files.items()}}))
        return
    gain = found["psnr"] - found["psnr_blurred"]
    print(f"held-out pairs  {found['psnr_blurred']:.2f} dB blurred, {found['psnr']:.2f} dB restored ({gain:+.2f} dB)")
    for name, path in files.items():
        print(f"{name:<15} {path}")
    sys.stdout.flush()
