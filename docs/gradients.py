"""Makes the table of gradients in ``training.md``: how strongly each loss pulls at the restored photographs, for every recipe.

``python docs/gradients.py FOLDER > table.md`` takes 100 steps with the losses of each recipe at reduced size on the pairs of a
folder of shards. ``--weights NAME=FILE`` names trained weights of vgg19, vgg16, mobilenet_v2 or alexnet; the others are random.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trainer.config import TrainingRecipe, load_recipe, recipe_names
from trainer.data.pairs import open_pairs
from trainer.data.stream import Stream
from trainer.losses.features import layers
from trainer.training.distributed import Ranks
from trainer.training.step import Step, build_step

CPU = torch.device("cpu")
STEPS, MEASURED = 100, 8  # steps of training, and steps after them over which the norms are averaged
SIZES = ("batch=2", "crop=64", "augment.scale_crop=0", "adversarial.start=0", "precision.bf16=false")
#: Smaller networks of the same kinds.
GENERATORS = {
    "resnet": ("width=16", "blocks=3"),
    "fpn": ("width=32", "backbone=mobilenetv2", "pretrained=false", "freeze=0"),
    "ird": ("width=16",),
    "dense": ("rate=8",),
    "unet": ("width=16",),
    "nafnet": ("width=16", "encoder=[1, 1]", "decoder=[1, 1]"),
}
#: The last layer that a recipe needs of each network of features.
LAST = {"vgg19": 25, "vgg16": 15, "mobilenet_v2": 18, "alexnet": 11}


def random_weights(folder: Path) -> dict[str, Path]:
    """Files with random weights of the networks of features, which keep the variance of their inputs."""
    torch.manual_seed(1)
    files = {}
    for name, last in LAST.items():
        network = layers(name, last).to_empty(device="cpu")
        for key, value in network.state_dict().items():
            if value.ndim > 1:
                torch.nn.init.kaiming_normal_(value)
            else:
                value.fill_(key.endswith(("weight", "running_var")))  # those of BatchNorm, which then changes nothing
        files[name] = folder / f"{name}.pth"
        torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, files[name])
    return files


def reduced(
    name: str, files: Mapping[str, Path], generators: Mapping[str, Sequence[str]], critic: int, sizes: Iterable[str]
) -> TrainingRecipe:
    """A recipe with smaller networks and crops. ``critic``: the width of PatchGANs. ``sizes``: more settings."""
    whole = load_recipe(name)
    settings = [f"generator.{setting}" for setting in generators.get(whole.generator["name"], ())]
    settings.append("critic.pretrained=false" if whole.critic["name"] == "classifier" else f"critic.width={critic}")
    settings += [f"content.vgg_weights={files[whole.content.perceptual_network]}", f"content.lpips_weights={files['alexnet']}"]
    settings += [size for size in sizes if whole.adversarial or not size.startswith("adversarial")]
    return load_recipe(name, settings)


def norms(step: Step, restored: Tensor, blurred: Tensor, sharp: Tensor) -> dict[str, float]:
    """The norm of the gradient of each weighted loss for the restored photographs."""
    restored = restored.detach().requires_grad_()
    _, terms = step.judge(restored, blurred, sharp, adversarial=step.recipe.adversarial is not None)
    return {
        name: step.weights[name] * torch.autograd.grad(term, restored, retain_graph=True)[0].norm().item()
        for name, term in terms.items()
    }


def shares(recipe: TrainingRecipe, data: Path) -> dict[str, float]:
    """The mean norm of the gradient of each loss after some steps."""
    step, sums = build_step(recipe, CPU, Ranks()), {}
    with Stream(open_pairs([data]), recipe, device=CPU) as stream:
        for number in range(STEPS + MEASURED):
            blurred, sharp = next(stream)
            if number >= STEPS:
                for name, norm in norms(step, step.generator(blurred), blurred, sharp).items():
                    sums[name] = sums.get(name, 0.0) + norm / MEASURED
            step(number, blurred, sharp)
    return sums


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", action="append", metavar="NAME", help="only these recipes")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = random_weights(Path(folder)) | {text.partition("=")[0]: Path(text.partition("=")[2]) for text in given.weights}
        print("| recipe | share of each loss in the sum of the norms |\n|---|---|")
        for name in given.recipe or recipe_names():
            found = shares(reduced(name, files, GENERATORS, 16, SIZES), given.data)
            total = sum(found.values())
            parts = [f"{loss} {norm / total:.1%}" for loss, norm in sorted(found.items(), key=lambda part: -part[1])]
            print(f"| `{name}` | {', '.join(parts)} |", flush=True)


if __name__ == "__main__":
    main()
