"""``trainer table``: train the members of a published table, measure them on one set, and print them beside its figures."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from blurkit.errors import OK, UnreadableFileError, UsageError
from blurkit.program.checks import one_of, require
from blurkit.program.documents import read_document
from blurkit.program.files import make_folder, write_atomic
from blurkit.program.origin import Recognise, made_here, require_free
from blurkit.program.progress import plural
from trainer.commands.evaluate import measure, strict_json
from trainer.commands.pretrain_critic import RESULTS, WEIGHTS, PretrainOptions, key_of, train_critic
from trainer.commands.run import RunOptions, train
from trainer.config import TrainingRecipe, load_recipe
from trainer.data.pairs import Pairs, divided_pairs
from trainer.evaluation.metrics import Metric, load_metrics
from trainer.evaluation.pairsets import PairSet, open_pairset
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import aligned
from trainer.evaluation.table import Results, Table, draw_table, load_table, to_csv, to_grid
from trainer.networks.weights import DESCRIPTION, NAME, load_generator
from trainer.specs import CRITICS as SPECS
from trainer.specs import complete
from trainer.training.checkpoint import RECIPE
from trainer.training.device import choose_device

#: The scores of a member, in the folder of its run.
SCORES = "scores.json"
#: The folder of critics that are first trained as classifiers, in --out.
CRITICS = "critics"

_OUTPUTS: dict[str, Recognise] = {
    "table.txt": lambda opening: opening.startswith(b"trainer table "),
    "table.csv": lambda opening: opening.startswith(b"table,row,member,"),
    "table.png": made_here,
}


#: What trains a member.
Training: TypeAlias = tuple[RunOptions, TrainingRecipe]


@dataclass(frozen=True)
class TableOptions:
    """The options of the command. ``steps``: of each member, or None for those of its recipe. ``test``: None for the pairs of
    ``val``. ``runs``: a folder of finished runs. ``only``: the members to train."""

    data: tuple[Path, ...]
    val: tuple[Path, ...]
    test: Path | None
    out: Path | None
    runs: Path | None
    only: tuple[str, ...]
    steps: int | None
    settings: tuple[str, ...]
    metrics: str
    tile: int
    device: str
    json: bool
    quiet: bool
    overwrite: bool


def table(name: str, options: TableOptions) -> int:
    """Train and measure one member after the other, and write the table after each of them. Returns the exit code."""
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    require(alone, "trainer table is one process; train its members with torchrun and trainer run, then name them with --runs")
    chosen, beside = load_table(name)
    out = options.out or Path("tables") / chosen.name
    require_free({out / file: recognise for file, recognise in _OUTPUTS.items()}, overwrite=options.overwrite)
    for member in options.only:
        one_of("--only", member, chosen.members)
    runs = _runs(chosen, options, out, beside)
    test = options.test or (options.val[0] if len(options.val) == 1 else None)
    if test is None:
        raise UsageError("name the pairs to measure on with --test; they should show no photograph that is trained on")
    place, reason = choose_device(options.device)
    names = _metric_names(chosen, options.metrics)
    metrics, pairs = load_metrics(names, place), open_pairset(test)
    for metric in metrics.values():
        metric.measure(*pairs.images(0))  # what it cannot measure is said before hours of training
    key = _key(pairs, names, metrics, options.tile)
    _say(f"table {chosen.name}, measured on {plural(len(pairs), 'pair')} of {test}; {reason}", options)
    results: dict[str, dict[str, Any]] = {}
    text = ""
    for member, run in runs.items():
        if isinstance(run, Path) or _trained(member, *run, pairs, options):
            folder = run if isinstance(run, Path) else out / member
            results[member] = _scores(folder, pairs, metrics, key, place, options) | _accuracy(folder)
            text = _write(out, chosen, results, metrics)
    if options.json:
        shown = ("step", "n", "blurred", "restored", "critic_accuracy")
        found = {member: {name: result[name] for name in shown if name in result} for member, result in results.items()}
        print(json.dumps({"out": str(out), "table": chosen.name, "members": found}, ensure_ascii=False))
    else:
        print(text, end="")
    return OK


def at_budget(recipe: TrainingRecipe, steps: int) -> list[str]:
    """Returns settings that make a training of a recipe ``steps`` long. What happens at a step happens at the same share of it:
    the schedule, the start of adversarial training, and the training of a frozen backbone."""
    spans = {f"schedule.{key}": getattr(recipe.schedule, key) for key in ("warmup", "hold", "every")}
    spans |= {"adversarial.start": recipe.adversarial.start} if recipe.adversarial else {}
    spans |= {"generator.freeze": recipe.generator.get("freeze", 0), "pretrain": recipe.pretrain}
    scaled = {key: max(round(span * steps / recipe.steps), 1) for key, span in spans.items() if span > 1}
    return [f"steps={steps}", *(f"{key}={span}" for key, span in scaled.items())]


def _runs(table: Table, options: TableOptions, out: Path, beside: Path | None) -> dict[str, Path | Training]:
    """Each member with the folder of its finished run, if --runs has one, or else with its training."""
    runs: dict[str, Path | Training] = {}
    for member in table.members:
        if options.runs is not None and (options.runs / member / NAME).exists():
            runs[member] = options.runs / member
            _require_finished(options.runs / member, member)
        else:
            own = (beside or Path()) / f"{member}.toml"
            source = str(own) if beside is not None and own.exists() else member
            settings = at_budget(load_recipe(source), options.steps) if options.steps is not None else []
            settings += _settings_of(member, table.members, options.settings)
            recipe = load_recipe(source, settings)
            if recipe.pretrain and recipe.adversarial and not recipe.critic.get("weights"):
                pairs, _ = divided_pairs(options.data, options.val, seed=recipe.seed)
                weights = _critic_folder(out, recipe, pairs) / WEIGHTS
                recipe = load_recipe(source, [*settings, f"critic.weights={json.dumps(str(weights))}"])
            how = (source, tuple(settings), options.device, options.quiet)
            runs[member] = RunOptions(options.data, options.val, out / member, *how), recipe
    return runs


def _settings_of(member: str, members: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    """Yields the settings KEY=VALUE of all members, and those that are MEMBER:KEY=VALUE for this one."""
    for text in settings:
        owner, colon, rest = text.partition(":")
        if not colon or "=" in owner:
            yield text
        else:
            one_of("the member before the colon of --set", owner, members)
            if owner == member:
                yield rest


def _require_finished(folder: Path, member: str) -> None:
    """Raise :class:`UsageError` if a run is not finished, or if it is that of another recipe."""
    about = _read(folder / DESCRIPTION)
    other = about.get("recipe", member)
    require(other == member, f"{folder} holds weights of the recipe {other!r}, not {member!r}")
    if (folder / RECIPE).exists() and "step" in about:
        step, steps = about["step"], load_recipe(str(folder / RECIPE)).steps
        require(step == steps, f"{folder} is at step {step:,} of {steps:,}; continue it with trainer run, or move it away")


def _trained(member: str, run: RunOptions, recipe: TrainingRecipe, test: PairSet, options: TableOptions) -> bool:
    """Train a member unless it is finished. Returns False if it is not finished and not among the members to train."""
    out, (pairs, _) = Path(str(run.out)), divided_pairs(run.data, run.val, seed=recipe.seed)
    about = _read(out / DESCRIPTION)
    if [about.get(key) for key in ("step", "recipe_digest", "data_digest")] == [recipe.steps, recipe.digest, pairs.digest]:
        return True
    if options.only and member not in options.only:
        return False
    both = int(np.isin(test.photographs, pairs.photographs).sum()) if isinstance(test, Pairs) else 0
    shared = f"; WARNING: {plural(both, 'test pair')} show photographs that are trained on" if both else ""
    critic = Path(recipe.critic.get("weights", "")).parent
    if critic.parent == out.parent / CRITICS:
        _train_critic(run, critic, options)
    _say(f"{member}: training for {recipe.steps:,} steps{shared}", options)
    train(run, recipe, out)
    return True


def _critic_folder(out: Path, recipe: TrainingRecipe, pairs: Pairs) -> Path:
    """The folder of the critic of a recipe that is first trained alone. Recipes that train the same critic share it."""
    spec = complete(SPECS, recipe.critic)
    return out / CRITICS / f"{spec.get('backbone', spec['name'])}-{key_of(recipe, pairs)}"


def _train_critic(run: RunOptions, folder: Path, options: TableOptions) -> None:
    """Train the critic of a member as a classifier of blur, unless that is done."""
    if all((folder / name).exists() for name in (WEIGHTS, RESULTS)):
        return
    recipe = load_recipe(run.recipe, run.settings)  # without the weights that do not exist yet
    _say(f"{folder}: training the critic as a classifier of blur for {recipe.pretrain:,} steps", options)
    how = (run.data, run.val, run.recipe, run.settings, folder, None, run.device)
    train_critic(PretrainOptions(*how, overwrite=options.overwrite, as_json=False, quiet=run.quiet), recipe)


def _scores(
    folder: Path, pairs: PairSet, metrics: Mapping[str, Metric], key: str, place: torch.device, options: TableOptions
) -> dict[str, Any]:
    """The means of a member and its step. They are computed once for the same weights, pairs and metrics."""
    generator, about = load_generator(folder)
    key = hashlib.sha256(f"{key} {hashlib.sha256((folder / NAME).read_bytes()).hexdigest()}".encode()).hexdigest()
    result = _read(folder / SCORES)
    if result.get("key") != key:
        require_free({folder / SCORES: lambda opening: opening.startswith(b'{"key": "')}, overwrite=options.overwrite)
        _say(f"{folder}: measuring", options)
        _, summary = measure(Restorer(generator, place, tile=options.tile), pairs, metrics, quiet=options.quiet)
        result = {"key": key, "step": about.get("step", 0), **summary}
        write_atomic(folder / SCORES, strict_json(result).encode(errors="backslashreplace") + b"\n")
    for side in ("blurred", "restored"):  # JSON has no infinity
        result[side] = {name: math.inf if value is None else value for name, value in result[side].items()}
    return result


def _accuracy(folder: Path) -> dict[str, float]:
    """How often the critic that a run started from tells blurred from sharp, if it was trained for that."""
    recipe = folder / RECIPE
    weights = load_recipe(str(recipe)).critic.get("weights", "") if recipe.exists() else ""
    found = _read(Path(weights).with_name(RESULTS)) if weights else {}
    return {"critic_accuracy": found["accuracy"]} if "accuracy" in found else {}


def _metric_names(table: Table, given: str) -> list[str]:
    """The metrics of a table and then those of ``given`` that are not among them, with what follows a "=" there."""
    named = {text.partition("=")[0].strip(): text.strip() for text in given.split(",") if text.strip()}
    return list({**dict(zip(table.metrics, table.metrics, strict=True)), **named}.values())


def _key(pairs: PairSet, names: Sequence[str], metrics: Mapping[str, Metric], tile: int) -> str:
    """What decides the scores of given weights: the pairs, the metrics with their files of weights, and the tiles."""
    files = [Path(name.partition("=")[2].rpartition("@")[2]) for name in names]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return json.dumps([pairs.digest, list(names), digests, [metric.convention for metric in metrics.values()], tile])


def _write(out: Path, table: Table, results: Results, metrics: Mapping[str, Metric]) -> str:
    """Write the table. Returns its text."""
    grid, first = to_grid(table, results, metrics), next(iter(results.values()))
    sizes, more = list(first["sizes"])[:3], len(first["sizes"]) - 3
    sizes += [f"{more} more sizes"] if more > 0 else []
    notes = [
        f"ours: means over {plural(first['n'], 'pair')}, {', '.join(sizes)}; {first['frame']}",
        f"published: {table.source}",
        f"The published figures are not comparable with ours unless {table.comparable}.",
    ]
    critics = [f"{member} {found['critic_accuracy']:.1%}" for member, found in results.items() if "critic_accuracy" in found]
    notes += [f"Before the training, the critics told blurred from sharp in: {', '.join(critics)}."] if critics else []
    conventions = [f"{name}: {metric.convention}" for name, metric in metrics.items()]
    lines = aligned([[text + (" ", "*")[best] for text, best in row] for row in grid])
    head, foot = f"trainer table {table.name}: {table.title}", "* the best of its column"
    text = "\n".join([head, "", *map(str.rstrip, lines.splitlines()), "", foot, *notes, *conventions])
    make_folder(out)
    write_atomic(out / "table.txt", f"{text}\n".encode())
    write_atomic(out / "table.csv", to_csv(table, results, metrics).encode())
    draw_table(out / "table.png", grid, title=table.title, notes=[*notes, *conventions])
    return f"{text}\n"


def _say(text: str, options: TableOptions) -> None:
    if not options.quiet:
        print(text, file=sys.stderr, flush=True)


def _read(path: Path) -> dict[str, Any]:
    """A JSON file, or nothing if it is missing or damaged."""
    try:
        return read_document(path)
    except UnreadableFileError:
        return {}
