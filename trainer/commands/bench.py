"""``trainer bench``: measure speed. Each figure is a ratio of two times of the same run, printed beside its limit."""

from __future__ import annotations

import functools
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from blurkit.decode.image import read_image
from blurkit.program.benchmark import Figure, measure, times
from blurkit.shard import FORMAT_VERSION, Sample
from blurkit.shard.format import FIELDS, FORMAT_NAME
from blurkit.shard.writer import write_shard
from trainer.commands.bench_card import card_sections
from trainer.config import TrainingRecipe, load_recipe
from trainer.data.pairs import open_pairs
from trainer.data.stream import Stream
from trainer.losses.content import LAYERS, ContentLoss, Perceptual
from trainer.losses.features import Features, layers
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.training.device import choose_device
from trainer.training.distributed import Ranks
from trainer.training.published import Published
from trainer.training.step import Step

_SHAPE, _PAIRS = (480, 640), 36  # the size of photographs in COCO
_CROP, _BATCH, _THREADS = 256, 16, 2
_OURS, _THEIRS = 200, 10  # batches per measurement, which takes some tenths of a second


def bench(sections: tuple[str, ...], *, device: str, as_json: bool) -> int:
    """Measure the named sections, or all sections of a device; see :func:`blurkit.program.benchmark.measure`. Returns the exit
    code."""
    place, reason = choose_device(device)
    if not as_json:
        print(f"on {reason}", file=sys.stderr)
    known = SECTIONS if place.type == "cpu" else {**card_sections(place), "loader": _loader}
    return measure(known, sections, as_json=as_json)


def _step() -> Iterator[Figure]:
    """One step of the recipe ``deblurgan`` over the published step, on one pair of 256x256, on the CPU, with a random VGG.

    If the processor computes in bf16, also a step in bf16 whose critic scores restored and sharp in one call.
    """
    blurred, sharp = torch.rand((2, 1, 3, 256, 256)) * 2 - 1
    recipe, information = load_recipe("deblurgan"), Path("/proc/cpuinfo")
    recipes = [recipe]
    if re.search("avx512_bf16|amx_bf16", information.read_text() if information.exists() else ""):
        recipes.append(load_recipe("deblurgan", ["precision.bf16=true", "adversarial.joint=true"]))

    def networks() -> tuple[nn.Module, nn.Module, nn.Sequential]:
        features = layers("vgg19", *LAYERS["vgg19"]).requires_grad_(False)
        for parameter in features.parameters():
            nn.init.normal_(parameter, 0, 0.02)
        return build_generator(recipe.generator), build_critic(recipe.critic), features

    alphas = list(torch.rand(5, 1, 1, 1, 1))
    generator, critic, features = networks()
    published_step = Published(generator, critic.model, features).step  # type: ignore[arg-type]
    actions: list[Callable[[], object]] = [functools.partial(published_step, blurred, sharp, alphas)]
    for ours in recipes:
        generator, critic, features = networks()
        content = ContentLoss(ours.content.terms, {"perceptual": Perceptual(Features(features, LAYERS["vgg19"]))})
        step = Step(ours, generator, critic, content, torch.device("cpu"), Ranks())
        actions.append(functools.partial(step, 0, blurred, sharp))
    published, *seconds = times(*actions, repeats=3)
    yield Figure("a step at parity over the published one, written plainly", seconds[0] / published, 1.05, at_most=True)
    if len(seconds) > 1:
        yield Figure("a step in bf16 over the published one", seconds[1] / published, 0.75, at_most=True)


def _loader() -> Iterator[Figure]:
    ours, theirs = loader_rates()
    yield Figure("pairs/s of 256x256 into torch over DataLoader on gzipped HDF5", ours / theirs, 40)


def loader_rates(*, repeats: int = 5) -> tuple[float, float]:
    """Pairs per second that reach torch, as 256x256 crops of bytes in batches of 16: of our stream, and of torch's DataLoader.

    :class:`trainer.data.Stream` reads a shard with two threads. DataLoader reads the same photographs from gzipped HDF5, one per
    chunk, with two workers. The two are measured in turn, and the fastest time of each counts. The files are in the page cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        shard, gzipped = Path(folder) / "00000.h5", Path(folder) / "gzipped.h5"
        _write_pairs(shard, gzipped)
        loader = DataLoader(_GzippedCrops(gzipped), _BATCH, num_workers=_THREADS, persistent_workers=True)

        def theirs() -> None:
            for _ in loader:
                pass

        theirs()  # forks the workers now, since a fork is not safe while the stream has threads
        with Stream(open_pairs([shard]), TrainingRecipe(batch=_BATCH, crop=_CROP), threads=_THREADS) as stream:

            def ours() -> None:
                for _ in range(_OURS):
                    stream.give(stream.take())

            slow, fast = times(theirs, ours, repeats=repeats)
    return _OURS * _BATCH / fast, _THEIRS * _BATCH / slow


class _GzippedCrops(Dataset[torch.Tensor]):
    """Random crops as they are usually read: slices of h5py, with one file handle per worker."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: h5py.File | None = None

    def __len__(self) -> int:
        return _THEIRS * _BATCH

    def __getitem__(self, index: int) -> torch.Tensor:
        self._file = self._file or h5py.File(self._path)
        row, y, x = np.random.default_rng(index).integers((_PAIRS, _SHAPE[0] - _CROP + 1, _SHAPE[1] - _CROP + 1))
        return torch.from_numpy(np.stack([self._file[field][row, y : y + _CROP, x : x + _CROP] for field in FIELDS]))


def _write_pairs(shard: Path, gzipped: Path) -> None:
    """Write shifted copies of the packaged photographs, and the same copies blurred, to both files."""
    files = sorted(str(file) for file in resources.files("blurkit.data_manifests").joinpath("sample").iterdir())
    photographs = [cv2.resize(read_image(file).pixels, _SHAPE[::-1]) for file in files if file.endswith(".jpg")]
    meta = {"source": "sample", "licence": "", "source_sha256": "", "notes": "", "variant": 0, "seed": (0,) * 5}
    meta |= dict.fromkeys(("crop", "valid"), (0, 0, *_SHAPE))
    kernel, path = np.full((9, 9), 1 / 81, np.float32), np.empty((0, 2), np.float32)
    sharps = [np.roll(photographs[number % len(photographs)], 50 * number, axis=1) for number in range(_PAIRS)]
    samples = [
        Sample(sharp, cv2.filter2D(sharp, -1, kernel), kernel, path, f"{number}", meta) for number, sharp in enumerate(sharps)
    ]
    write_shard(shard, samples, attributes={"format": FORMAT_NAME, "version": FORMAT_VERSION})
    with h5py.File(gzipped, "w") as file:
        for field in FIELDS:
            images = np.stack([getattr(sample, field) for sample in samples])
            file.create_dataset(field, data=images, chunks=(1, *_SHAPE, 3), compression="gzip")


SECTIONS = {"step": _step, "loader": _loader}
