"""``trainer run``: train."""

from __future__ import annotations

import contextlib
import json
import sys
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


def run(
    *,
    data: tuple[Path, ...],
    weight: tuple[float, ...],
    val: tuple[Path, ...],
    out: Path | None,
    recipe: str,
    settings: tuple[str, ...],
    device: str,
    resume: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train from the newest checkpoint where there is one, and say what came of it. Returns the exit code.

    ``weight`` is empty or has a number for each of ``data``; ``resume`` is "auto", "never" or a file.
    """
    chosen = load_recipe(recipe, settings)
    folder = out or Path("runs") / chosen.name
    place, reason = choose_device(device)
    pairs = open_pairs(data, weights=weight or None)
    train, held = (pairs, open_pairs(val)) if val else hold_out(pairs, seed=chosen.seed)
    with joined(place) as ranks, contextlib.ExitStack() as stack:
        training = TrainingRun(chosen, train, held, folder, place, ranks)
        if ranks.first:
            make_folder(folder)
            stack.enter_context(locked(folder / ".lock"))
        begin = _begin(resume, training)
        ranks.wait()  # until all have read what the first is about to change
        watch = None
        if ranks.first:
            start = begin.step if begin else 0
            checkpoint.clean(folder, after=start)
            write_atomic(folder / RECIPE, chosen.toml().encode())
            watch = Watch(folder, start=start, steps=chosen.steps, every=chosen.log_every, quiet=quiet)
            stack.callback(watch.close)
            watch.say(f"on {reason}\n{_pairs_text(train, held, named=bool(val))}")
            if begin:
                watch.say(f"resumed at step {start:,}")
        advice = f"lower --set batch={max(chosen.batch // 2, 1)} or --set crop={chosen.crop // 2}, or raise --set accumulate"
        stop = stack.enter_context(stopping())
        with memory_advice(advice):
            end = run_steps(training, build_step(chosen, place, ranks), begin, stop=stop, watch=watch)
        if ranks.first:
            _report(folder, end, as_json=as_json)
    return OK


def _begin(resume: str, run: TrainingRun) -> Checkpoint | None:
    """The checkpoint to go on from, of this very run."""
    if resume == "never":
        return None
    auto = resume == "auto"
    begin = checkpoint.newest(run.out) if auto else checkpoint.load(Path(resume))
    if begin is None:
        return None
    where, recorded = run.out if auto else Path(resume), run.out / RECIPE
    if begin.origin.recipe != run.recipe.digest and recorded.exists():
        changed = differences(parse_recipe(recorded.read_text(), where=str(recorded)), run.recipe)
        raise UsageError(
            f"{where} was begun with another recipe: {'; '.join(changed) or 'its name alone is the same'}. Run it as it was "
            "begun, choose another --out, or begin anew with --resume never"
        )
    begin.origin.require_same(run.origin, where)
    return begin


def _pairs_text(train: Pairs, held: Pairs, *, named: bool) -> str:
    """Which pairs are learned from, and which are not; ``named`` are those of --val."""
    text = f"{plural(len(train), 'pair')} of {plural(_photographs(train), 'photograph')} to learn from"
    if not named:
        return f"{text}; {plural(_photographs(held), 'photograph')} ({plural(len(held), 'pair')}) held out, as no --val is named"
    both = int(np.isin(held.photographs, train.photographs).sum())
    return f"{text}; WARNING: {plural(both, 'pair')} of --val are of the same photographs" if both else text


def _photographs(pairs: Pairs) -> int:
    return len(np.unique(pairs.photographs))


def _report(out: Path, end: Checkpoint, *, as_json: bool) -> None:
    found, names = end.validation, {"weights": "generator.safetensors", "sheet": "validation.png", "curves": "curves.png"}
    files = {name: str(out / file) for name, file in names.items()}
    if as_json:
        levels = {key: round(found[key], 4) for key in ("psnr_blurred", "psnr", "best")}
        print(json.dumps({"out": str(out), "steps": end.step, **levels, **files}))
        return
    gain = found["psnr"] - found["psnr_blurred"]
    print(f"held-out pairs  {found['psnr_blurred']:.2f} dB blurred, {found['psnr']:.2f} dB restored ({gain:+.2f} dB)")
    for name, path in files.items():
        print(f"{name:<15} {path}")
    sys.stdout.flush()
