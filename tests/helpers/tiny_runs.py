"""A dataset and a recipe for trainings that take about a second."""

import numpy as np

from blurkit.shard import Sample
from blurkit.shard.writer import write_shard

#: A recipe with every part that has a state: dropout, an average, both optimisers, a schedule, a critic that starts later.
RECIPE = """
name = "tiny"
steps = 9
batch = 2
crop = 16
checkpoint_every = 3
log_every = 2
validate_every = 4
validate_pairs = 2
[generator]
blocks = 1
width = 2
[critic]
width = 2
layers = 1
[adversarial]
gp = "sample"
critic_steps = 2
start = 2
[content]
perceptual = 0.0
l1 = 100.0
[optimizer]
rate = 1e-3
ema = 0.9
clip = 5.0
[schedule]
kind = "linear"
hold = 3
"""


def write_pairs(folder, photographs=5, variants=3, side=24):
    """Write a shard of pairs: sharp is random pixels, blurred is their mean over three columns."""
    rng = np.random.default_rng(1)
    samples = []
    for number in range(photographs * variants):
        sharp = rng.integers(0, 256, (side, side, 3), np.uint8)
        blurred = np.rint(sum(np.roll(sharp.astype(float), shift, 1) for shift in (-1, 0, 1)) / 3).astype(np.uint8)
        photograph, variant = divmod(number, variants)
        meta = {"source": "folder", "licence": "", "source_sha256": f"{photograph:064x}", "notes": "", "variant": variant}
        meta |= {"crop": (0, 0, side, side), "valid": (0, 0, side, side), "seed": (0, 1, 2, 3, 4)}
        samples.append(
            Sample(sharp, blurred, np.ones((1, 3), np.float32)[:, :1], np.zeros((0, 2), np.float32), f"{photograph}", meta)
        )
    attributes = {"format": "blurkit-shard", "version": 1, "recipe": 'name = "box"\n'}
    write_shard(folder / "00000.h5", iter(samples), attributes=attributes)
    return folder / "00000.h5"


def write_recipe(folder, text=RECIPE):
    """Write the recipe as a file and return its path."""
    path = folder / "tiny.toml"
    path.write_text(text)
    return path
