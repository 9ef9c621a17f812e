"""``trainer pretrain-critic``: train the critic of a recipe as a classifier of blur."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from blurkit.errors import OK
from blurkit.program.checks import require
from blurkit.program.files import make_folder, write_atomic
from blurkit.program.origin import Recognise, made_here, require_free
from blurkit.program.progress import Progress, plural
from blurkit.program.signals import stopping
from trainer.config import TrainingRecipe, load_recipe
from trainer.data.pairs import Pairs, divided_pairs
from trainer.data.stream import Stream
from trainer.networks.critics import build_critic
from trainer.networks.weights import KEY
from trainer.training.device import choose_device, memory_advice
from trainer.training.own_files import is_weights
from trainer.training.pretrain import classify, draw_reliability, pretrain, reliability

#: The files that are written to the folder ``--out``, and how each is known.
WEIGHTS, RESULTS, DIAGRAM = "critic.safetensors", "critic.json", "calibration.png"
_OUTPUTS: dict[str, Recognise] = {
    WEIGHTS: is_weights,
    RESULTS: lambda opening: opening.startswith(b'{\n  "critic": {'),
    DIAGRAM: made_here,
}
#: The most held-out pairs that are classified.
_MOST = 512
#: The steps of a training whose recipe does not say them.
STEPS = 1000


@dataclass(frozen=True)
class PretrainOptions:
    """The options of the command. ``recipe``, ``settings``: those of :func:`trainer.config.load_recipe`. ``steps``: None for
    those of the recipe, or :data:`STEPS` if it has none."""

    data: tuple[Path, ...]
    val: tuple[Path, ...]
    recipe: str
    settings: tuple[str, ...]
    out: Path
    steps: int | None
    device: str
    overwrite: bool
    as_json: bool
    quiet: bool


def pretrain_critic(options: PretrainOptions) -> int:
    """Train a critic and print how well it tells blurred from sharp photographs. Returns the exit code."""
    result = train_critic(options, load_recipe(options.recipe, options.settings))
    if options.as_json:
        print(json.dumps({"out": str(options.out), **result}))
    else:
        use = f"use it with --set critic.weights={options.out / WEIGHTS}; --set critic.frozen=true keeps it as it is"
        print(f"{_words(result)}\n{use}")
    return OK


def train_critic(options: PretrainOptions, chosen: TrainingRecipe) -> dict[str, Any]:
    """Trains with the critic, crop, batch, rate and seed of a recipe. Writes weights and a diagram, and returns the result."""
    out, steps = options.out, options.steps or chosen.pretrain or STEPS
    refused = "a classifier of blur sees one photograph, and a conditional critic two; set critic.conditional = false"
    require(not chosen.critic.get("conditional"), refused)
    require_free({out / name: recognise for name, recognise in _OUTPUTS.items()}, overwrite=options.overwrite)
    place, reason = choose_device(options.device)
    train, held = divided_pairs(options.data, options.val, seed=chosen.seed)
    held = held.spread(_MOST)
    torch.manual_seed(chosen.seed)
    spec = classifier_of(chosen)
    critic = build_critic(spec).to(place)
    if not options.quiet:
        print(f"training on {plural(len(train), 'pair')}, testing on {plural(len(held), 'pair')}; {reason}", file=sys.stderr)
    progress = Progress(steps * chosen.batch, quiet=options.quiet)

    def tell(done: int) -> None:
        progress.done = done * chosen.batch
        progress.show()

    with stopping() as stop, memory_advice(f"lower --set batch={max(chosen.batch // 2, 1)}"):
        with Stream(train, chosen, device=place) as stream:
            pretrain(critic, stream, stop, steps=steps, rate=chosen.optimizer.rate, tell=tell)
        progress.close()
        if stop:
            raise stop.error("nothing was written")
        chances, labels = classify(critic, held, chosen.crop, place)
    rows, error = reliability(chances, labels)
    accuracy = float(((chances > 0.5) == labels).mean())
    result = {"critic": spec, "steps": steps, "crops": len(labels), "accuracy": accuracy, "calibration_error": error}
    make_folder(out)
    state = {name: tensor.cpu().contiguous() for name, tensor in critic.state_dict().items()}
    write_atomic(out / WEIGHTS, safetensors.torch.save(state, {KEY: json.dumps({"critic": spec}, sort_keys=True)}))
    draw_reliability(out / DIAGRAM, rows, title=f"critic {spec['name']}, {steps:,} steps", subtitle=_words(result))
    write_atomic(out / RESULTS, json.dumps(result, indent=2).encode() + b"\n")  # last: it says that all is written
    return result


def classifier_of(recipe: TrainingRecipe) -> dict[str, Any]:
    """Returns the specification of the critic of a recipe while it is trained as a classifier."""
    return {key: value for key, value in recipe.critic.items() if key != "frozen"}


def key_of(recipe: TrainingRecipe, pairs: Pairs) -> str:
    """Returns eight digits of a digest of all that decides the weights of :func:`train_critic` for these training pairs."""
    values = [classifier_of(recipe), recipe.pretrain, recipe.seed, recipe.batch, recipe.crop, recipe.optimizer.rate]
    text = json.dumps([*values, asdict(recipe.augment), pairs.digest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _words(result: Mapping[str, Any]) -> str:
    return f"accuracy {result['accuracy']:.1%} of {result['crops']} crops, calibration error {result['calibration_error']:.3f}"
