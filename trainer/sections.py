"""The sections of a training recipe except the networks: frozen dataclasses that check their values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from blurkit.program.checks import one_of, require, within

#: The objectives of adversarial training, and the critic steps of each if the recipe does not say them.
OBJECTIVES = {"gan": 1, "lsgan": 1, "ragan": 1, "ragan-ls": 1, "wgan": 5, "wgan-gp": 5}


def later(default: Any) -> Any:
    """A key that is younger than the first runs. With its default it is not part of a digest, so that these runs continue."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class Adversarial:
    """Adversarial training. Without this section there is no critic, and only the content loss trains the generator.

    ``objective``: see :mod:`trainer.losses.adversarial`. ``gp``: the penalty of "wgan-gp" is on the norm of the critic's gradient
    at each pixel, "pixel", as in the code of DeblurGAN, or of the mean score over each sample, "sample", as in the paper.
    ``penalty``: its weight. ``joint``: score restored and sharp photographs in one call, which is faster, and equal if the critic
    treats samples independently. ``weight``: of the generator's adversarial loss. ``critic_steps``: per generator step; -1 means
    the usual number of the objective, 0 leaves the critic as it is. ``start``: generator steps with the content loss only, before
    adversarial training begins. ``queue``: relativistic objectives compare a score with the mean of this many earlier ones, as
    the code of DeblurGAN-v2 does; with 0, with the mean of the batch, as the paper does. ``detach_mean``: whether the mean of a
    batch has no gradient. ``clip``: the largest weight of the critic of "wgan". ``diffaugment``: the changes through which the
    critic sees photographs, of "colour", "translation" and "cutout". ``detach_augmented``: whether they stop the generator's
    gradient, as in the code of the IITGN poster.
    """

    objective: str = "wgan-gp"
    gp: str = "pixel"
    penalty: float = 10.0
    joint: bool = False
    weight: float = 1.0
    critic_steps: int = -1
    start: int = 0
    queue: int = later(50)
    detach_mean: bool = later(False)
    clip: float = later(0.01)
    diffaugment: tuple[str, ...] = later(())
    detach_augmented: bool = later(False)

    def __post_init__(self) -> None:
        one_of("adversarial.objective", self.objective, list(OBJECTIVES))
        one_of("adversarial.gp", self.gp, ["pixel", "sample"])
        for change in self.diffaugment:
            one_of("each of adversarial.diffaugment", change, ["colour", "translation", "cutout"])
        for key in ("penalty", "weight", "clip"):
            within(f"adversarial.{key}", [getattr(self, key)], 0, 1e6)
        if self.critic_steps == -1:  # resolved here, so that a printed recipe says the number
            object.__setattr__(self, "critic_steps", OBJECTIVES[self.objective])
        require(0 <= self.critic_steps <= 100, f"adversarial.critic_steps is from 0 to 100, got {self.critic_steps}")
        require(self.start >= 0, f"adversarial.start is a number of generator steps, at least 0, got {self.start}")
        require(0 <= self.queue <= 10_000, f"adversarial.queue is from 0 to 10,000 scores, got {self.queue}")


@dataclass(frozen=True)
class ContentWeights:
    """Weights of the content losses, which compare restored with sharp photographs, and options of some. A weight of 0 leaves a
    loss out. See :mod:`trainer.losses.content`.

    ``perceptual_layers``: numbers within ``features`` of torchvision's network; without any, the one that DeblurGAN or NNFL uses.
    ``perceptual_input``, ``mse_input``: "raw" photographs in [-1, 1], or "imagenet" with the mean and deviation of ImageNet.
    ``perceptual_reduction``: the "mean" over layers, or half their sum, "half-sum". ``vgg_weights``, ``lpips_weights``: files of
    weights of the networks. If empty, the weights of torchvision are downloaded once."""

    perceptual: float = 100.0
    l1: float = 0.0
    mse: float = 0.0
    charbonnier: float = 0.0
    psnr: float = later(0.0)
    smoothness: float = later(0.0)
    lpips: float = later(0.0)
    fourier: float = later(0.0)
    vgg_weights: str = ""
    perceptual_network: str = later("vgg19")
    perceptual_layers: tuple[int, ...] = later(())
    perceptual_input: str = later("raw")
    perceptual_reduction: str = later("mean")
    mse_input: str = later("raw")
    lpips_network: str = later("alexnet")
    lpips_weights: str = later("")

    def __post_init__(self) -> None:
        require(bool(self.terms), "[content] has no loss with a weight above zero; set one, for example content.l1 = 100")
        within("the weights of [content]", list(self.terms.values()), 0, 1e6)
        one_of("content.perceptual_network", self.perceptual_network, ["vgg19", "vgg16", "mobilenet_v2"])
        one_of("content.lpips_network", self.lpips_network, ["alexnet", "vgg16"])
        one_of("content.perceptual_reduction", self.perceptual_reduction, ["mean", "half-sum"])
        for key in ("perceptual_input", "mse_input"):
            one_of(f"content.{key}", getattr(self, key), ["raw", "imagenet"])

    @property
    def terms(self) -> dict[str, float]:
        """The weights that are not 0, by the names of the losses."""
        return {name: weight for name, weight in asdict(self).items() if isinstance(weight, int | float) and weight != 0}


@dataclass(frozen=True)
class Optimizer:
    """The settings of Adam, for both networks. ``rate``: the learning rate before the schedule changes it. ``clip``: the largest
    norm of a gradient; 0 means no limit. ``ema``: the decay per step of an exponential moving average of the generator's weights;
    0 means no average. With an average, the averaged weights are validated and saved."""

    rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    clip: float = 0.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        within("optimizer.rate", [self.rate], 0, 1)
        within("optimizer.betas", self.betas, 0, 1 - 1e-9)
        within("optimizer.clip", [self.clip], 0, 1e9)
        within("optimizer.ema", [self.ema], 0, 1 - 1e-9)


@dataclass(frozen=True)
class Schedule:
    """The schedule of the learning rate. ``kind``: "constant", or "linear" or "cosine", which fall until the end of the training.
    ``warmup``: steps during which the rate rises linearly. ``hold``: steps before the rate falls. ``every``: steps between two
    changes of the rate. ``end``: the factor after the last step, in [0, 1]."""

    kind: str = "constant"
    warmup: int = 0
    hold: int = 0
    every: int = 1
    end: float = later(0.0)

    def __post_init__(self) -> None:
        one_of("schedule.kind", self.kind, ("constant", "linear", "cosine"))
        within("schedule.end", [self.end], 0, 1)
        valid = min(self.warmup, self.hold) >= 0 and self.every >= 1
        require(valid, "schedule.warmup and schedule.hold are at least 0, and schedule.every is at least 1")

    def settled(self, done: int) -> bool:
        """Whether the factors of the first ``done`` steps are the same in a run of any length."""
        last = max(done - 1, 0)
        return self.kind == "constant" or last - last % self.every <= max(self.warmup, self.hold)

    def factor(self, step: int, steps: int) -> float:
        """The factor in [0, 1] by which the learning rate is multiplied at ``step`` (from 0) of a run of ``steps`` steps.

        With ``kind`` "linear" and ``every`` set to one epoch this is the schedule of DeblurGAN. It reaches ``end`` after the last
        step.
        """
        step -= step % self.every
        if step < self.warmup:
            return (step + 1) / self.warmup
        begin = max(self.warmup, self.hold)
        if self.kind == "constant" or step < begin:
            return 1.0
        progress = min((step - begin) / max(steps - begin, 1), 1.0)
        left = 1 - progress if self.kind == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
        return self.end + (1 - self.end) * left


@dataclass(frozen=True)
class Augment:
    """Random changes of a pair. ``flips``: "both", "horizontal" or "none". ``transpose``: exchange rows and columns.
    ``scale_crop``: the standard deviation in pixels of the side of a crop, which is then resized to ``crop``, as in VEGAN.
    ``warps``: of "shift-scale-rotate", "optical" and "elastic"; one of them changes a pair, of a ``warp_share`` of the pairs. See
    :mod:`trainer.data.warp`."""

    flips: str = "both"
    transpose: bool = True
    scale_crop: float = later(0.0)
    warps: tuple[str, ...] = later(())
    warp_share: float = later(0.3)

    def __post_init__(self) -> None:
        one_of("augment.flips", self.flips, ("both", "horizontal", "none"))
        within("augment.scale_crop", [self.scale_crop], 0, 1e4)
        within("augment.warp_share", [self.warp_share], 0, 1)
        for warp in self.warps:
            one_of("each of augment.warps", warp, ["shift-scale-rotate", "optical", "elastic"])


@dataclass(frozen=True)
class Precision:
    """How the steps are computed. ``bf16``: autocast to bfloat16; the gradient penalty and the losses stay in float32. On a GPU
    convolutions in float32, those of the penalty too, use TF32, as torch does by default: numbers with 10 bits of fraction.
    ``channels_last``: use this memory format, with a normalisation that preserves it. ``compile``: apply torch.compile to the
    generator and VGG. ``graph``: use CUDA graphs on a GPU."""

    bf16: bool = False
    channels_last: bool = False
    compile: bool = False
    graph: bool = False
