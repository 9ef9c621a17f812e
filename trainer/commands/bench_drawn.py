"""What ``trainer bench`` measures of pairs that are drawn for each visit: their rate, and a step with them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from blurkit.decode.image import read_image
from blurkit.pair import make_pair
from blurkit.program.benchmark import Figure, times
from blurkit.shard import FORMAT_VERSION, Sample
from blurkit.shard.format import FORMAT_NAME
from blurkit.shard.writer import write_shard
from trainer.config import TrainingRecipe, load_recipe
from trainer.data.pairs import Pairs, open_pairs
from trainer.data.stream import Stream
from trainer.training.distributed import Ranks
from trainer.training.step import Step, build_step

_SIDE, _CROP, _BATCH, _PAIRS = 320, 256, 8, 24
_BATCHES, _STEPS = 25, 10  # per measurement


def drawn_figures() -> Iterator[Figure]:
    """The rate of crops of 256x256 by the recipe ``clean``, with two threads; and steps of ``quick`` with drawn pairs over steps
    with stored pairs, each with its stream."""
    with tempfile.TemporaryDirectory() as folder:
        drawn, stored = (_pairs(Path(folder) / f"{store}.h5", store) for store in ("sharp", "pairs"))
        with Stream(drawn, TrainingRecipe(batch=_BATCH, crop=_CROP), threads=2) as stream:

            def read() -> None:
                for _ in range(_BATCHES):
                    stream.give(stream.take())

            (seconds,) = times(read, repeats=5)
        yield Figure("pairs/s of 256x256 drawn for each visit, clean", _BATCHES * _BATCH / seconds, 250, "/s")
        recipe = load_recipe("quick")
        with Stream(drawn, recipe) as fresh, Stream(stored, recipe) as same:
            step = build_step(recipe, torch.device("cpu"), Ranks())
            ours, theirs = times(*(functools.partial(_train, step, stream) for stream in (fresh, same)), repeats=5)
        yield Figure("a step of quick with drawn pairs over one with stored pairs", ours / theirs, 1.1, at_most=True)


def _train(step: Step, stream: Stream) -> None:
    for number in range(_STEPS):
        step(number, *next(stream))


def _pairs(path: Path, store: str) -> Pairs:
    """Crops of the packaged photographs by the recipe ``clean``, stored in one shard."""
    samples = []
    sample = resources.files("blurkit.data_manifests").joinpath("sample")
    files = [file for file in sample.iterdir() if file.name.endswith(".jpg")]
    for number in range(_PAIRS):
        photograph = read_image(str(files[number % len(files)])).pixels
        pair = make_pair(photograph, "clean", rng=number, size=_SIDE, store=store)
        meta = {"source": "sample", "licence": "", "source_sha256": "0" * 64, "notes": "", "variant": number}
        meta |= {"crop": pair.crop, "valid": pair.valid, "seed": (number,) * 5, **pair.parameters}
        samples.append(Sample(pair.sharp, pair.blurred, pair.kernel, pair.path.astype(np.float32), f"{number}", meta))
    text = resources.files("blurkit.recipes").joinpath("clean.toml").read_text(encoding="utf-8")
    write_shard(path, samples, attributes={"format": FORMAT_NAME, "version": FORMAT_VERSION, "recipe": text})
    return open_pairs([path])
