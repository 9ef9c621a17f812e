"""``trainer run``: train a generator."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from blurkit.errors import OK, UsageError
from blurkit.program.checks import require
from blurkit.program.files import make_folder, write_atomic
from blurkit.program.locks import locked
from blurkit.program.progress import plural
from blurkit.program.signals import stopping
from trainer.config import TrainingRecipe, differences, load_recipe, parse_recipe
from trainer.data.pairs import Pairs, divided_pairs
from trainer.networks.weights import NAME, left_out, read_start, unused_parts
from trainer.training import checkpoint
from trainer.training.checkpoint import RECIPE, Checkpoint
from trainer.training.device import choose_device, memory_advice
from trainer.training.distributed import joined
from trainer.training.loop import TrainingRun, run_steps
from trainer.training.outputs import BEST, CURVES, SHEET, clean, complete
from trainer.training.own_files import recipe_file, require_own
from trainer.training.step import build_step
from trainer.training.watch import Watch

_ROUNDED = (
    "; the checkpoint was written with another number of processes or parts of a batch, so sums may be rounded differently, and "
    "dropout draws other masks, than in an undisturbed run"
)


@dataclass(frozen=True)
class RunOptions:
    """The options of the command. ``resume``: "auto", "never" or a file. ``weight``: empty, or one number per folder of data.
    ``init``: the folder of a run or a file of weights to start from."""

    data: tuple[Path, ...]
    val: tuple[Path, ...]
    out: Path | None
    recipe: str
    settings: tuple[str, ...]
    device: str
    quiet: bool
    weight: tuple[float, ...] = ()
    resume: str = "auto"
    json: bool = False
    init: Path | None = None


def run(options: RunOptions) -> int:
    """Train, from the newest checkpoint if there is one, and print the result. Returns the exit code."""
    recipe = load_recipe(options.recipe, options.settings)
    out = options.out or Path("runs") / recipe.name
    end = train(options, recipe, out)
    if end is not None:
        _report(out, end, as_json=options.json)
    return OK


def train(options: RunOptions, recipe: TrainingRecipe, out: Path) -> Checkpoint | None:
    """Trains in the folder ``out``, from its newest checkpoint if there is one. Returns the last checkpoint, or None in all
    processes but the first."""
    _require_critic(recipe, options)
    device, reason = choose_device(options.device)
    start = read_start(options.init) if options.init else None
    trained, held = divided_pairs(options.data, options.val, weights=options.weight or None, seed=recipe.seed)
    with joined(device) as ranks, contextlib.ExitStack() as stack:
        training = TrainingRun(recipe, trained, held, out, device, ranks, start.digest if start else "")
        if ranks.first:
            make_folder(out)
            stack.enter_context(locked(out / ".lock"))
            require_own(out)
        stop = stack.enter_context(stopping())
        begin, exactly = _begin(options.resume, training)
        if begin is not None:
            training, start = replace(training, init=begin.origin.init), None  # the checkpoint holds what became of them
        advice = f"lower --set batch={max(recipe.batch // 2, 1)} or --set crop={recipe.crop // 2}, or raise --set accumulate"
        with memory_advice(advice):
            step = build_step(recipe, device, ranks, start)
            if not exactly:
                step.require_independent_samples()
            if begin is not None:
                step.load_state_dict(begin.state)
        ranks.wait()  # all processes have read the checkpoint before the first one changes the folder
        watch = None
        if ranks.first:
            begin = _prepared(training, begin)
            watch = Watch(out, begin, steps=recipe.steps, every=recipe.log_every, quiet=options.quiet)
            stack.callback(watch.close)
            watch.message(f"on {reason}\n{_pairs_text(trained, held, named=bool(options.val))}")
            if begin is not None:
                watch.message(f"resumed at step {begin.step:,}{'' if exactly else _ROUNDED}")
            elif start is not None:
                unused = unused_parts(step.generator, start.state)
                watch.message(f"starting from {start.path}{left_out({'unused': unused} if unused else {})}")
        with memory_advice(advice):
            end = run_steps(training, step, begin, stop=stop, watch=watch)
        return end if ranks.first else None


def _require_critic(recipe: TrainingRecipe, options: RunOptions) -> None:
    """Raise :class:`UsageError` if the critic lacks the weights of its own training, with the commands that make and use them,
    or if it has weights and no part in the training."""
    unused = recipe.adversarial is None and bool(recipe.critic.get("weights"))
    require(
        not unused, f"critic.weights is of no use: {recipe.name} has no [adversarial]; set adversarial.objective, or leave it"
    )
    if not recipe.pretrain or recipe.adversarial is None or recipe.critic.get("weights"):
        return
    folder = f"runs/{recipe.name}-critic"
    given = {"--recipe": (options.recipe,), "--data": options.data, "--val": options.val, "--set": options.settings}
    words = shlex.join(str(word) for option, values in given.items() for value in values for word in (option, value))
    start = shlex.join(["--set", f"critic.weights={folder}/critic.safetensors"])
    raise UsageError(
        f"the critic of {recipe.name} first learns to tell blurred from sharp photographs, and critic.weights does not name what "
        f"it learned; train it, then start the run:\n  trainer pretrain-critic {words} --out {shlex.quote(folder)}\n"
        f"  trainer run {words} {start}"
    )


def _begin(resume: str, run: TrainingRun) -> tuple[Checkpoint | None, bool]:
    """The checkpoint to continue from, or None, and whether the run continues it to the byte.

    Raises :class:`UsageError` if it belongs to another run.
    """
    if resume == "never":
        return None, True
    auto = resume == "auto"
    begin = checkpoint.newest(run.out) if auto else checkpoint.load(Path(resume))
    if begin is None:
        return None, True
    where, recorded = run.out if auto else Path(resume), run.out / RECIPE
    begin = _lengthened(begin, run, where)
    before, now = begin.origin, run.origin if run.init else replace(run.origin, init=begin.origin.init)
    changed = before.recipe != now.recipe or (before.pairs != now.pairs and before.processes == now.processes)
    if changed and recorded.exists():
        values = differences(parse_recipe(recorded.read_text(), where=str(recorded)), run.recipe)
        raise UsageError(
            f"{where} was started with another recipe: {'; '.join(values) or 'only the name is the same'}. Use that recipe, "
            "choose another --out, or start again with --resume never"
        )
    exactly = before.require_same(now, where)
    require(begin.step <= run.recipe.steps, f"{where} is at step {begin.step:,}, beyond the {run.recipe.steps:,} of the recipe")
    return begin, exactly


def _lengthened(begin: Checkpoint, run: TrainingRun, where: Path) -> Checkpoint:
    """The last checkpoint of a run that differs only by its smaller number of steps, as a checkpoint of this run. Any other
    checkpoint is returned as it is. Raises :class:`UsageError` if the longer run would have had other rates until then."""
    recipe, done = run.recipe, begin.step
    finished = 0 < done < recipe.steps and begin.origin.recipe == checkpoint.digest_of(recipe, steps=done)
    if not finished:
        return begin
    problem = (
        f"{where} has ended its {done:,} steps, and schedule.kind = {recipe.schedule.kind!r} had begun to lower the "
        f"learning rate by their number, so a run of {recipe.steps:,} steps would have trained otherwise"
    )
    advice = f"start another run from its weights: --init {where} --out FOLDER"
    require(recipe.schedule.settled(done), f"{problem}; {advice}")
    return replace(begin, origin=replace(begin.origin, recipe=run.origin.recipe))


def _prepared(run: TrainingRun, begin: Checkpoint | None) -> Checkpoint | None:
    """Clean and complete the folder of a run, and write its recipe. Returns the completed ``begin``, see :func:`complete`."""
    clean(run.out, after=begin.step if begin else 0)
    if begin is not None:
        begin = complete(run.out, run.recipe, begin, pairs=run.validated_key)
    write_atomic(run.out / RECIPE, recipe_file(run.recipe))
    return begin


def _pairs_text(train: Pairs, held: Pairs, *, named: bool) -> str:
    """The numbers of pairs in words. ``named``: whether --val names the validation pairs."""
    text = f"training on {plural(len(train), 'pair')} of {plural(_photographs(train), 'photograph')}"
    if not named:
        count = f"{plural(len(held), 'pair')} of {plural(_photographs(held), 'photograph')}"
        return f"{text}; validating on {count}, held out since no --val is given"
    both = int(np.isin(held.photographs, train.photographs).sum())
    return f"{text}; WARNING: {plural(both, 'pair')} of --val show photographs that are also trained on" if both else text


def _photographs(pairs: Pairs) -> int:
    return len(np.unique(pairs.photographs))


def _report(out: Path, end: Checkpoint, *, as_json: bool) -> None:
    """Print the result of the last and of the best validation, and the files to look at."""
    found, names = end.validation, {"weights": NAME, "best_weights": f"{BEST}/{NAME}", "sheet": SHEET, "curves": CURVES}
    files = {name: str(out / file) for name, file in names.items()}
    before, after, best, best_step = (found[key] for key in ("psnr_blurred", "psnr", "best", "best_step"))
    if as_json:
        levels = {"psnr_blurred": before, "psnr": after, "best": best, "best_gain": best - before}
        rounded = {key: round(level, 4) for key, level in levels.items()}
        print(json.dumps({"out": str(out), "steps": end.step, **rounded, "best_step": best_step, **files}))
        return
    print(f"held-out pairs  {before:.2f} dB blurred, {after:.2f} dB restored ({after - before:+.2f} dB)")
    best_weights = files.pop("best_weights")
    for name, path in files.items():
        print(f"{name:<15} {path}")
    gain = f"{best:.2f} dB, {best - before:+.2f} dB over the blurred pairs"
    last = best_step == end.step
    print(f"best: the last step, {gain}" if last else f"best: step {best_step:,}, {gain}; {best_weights}")
    sys.stdout.flush()
