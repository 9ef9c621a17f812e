"""Fixtures that the tests of several folders share."""

import atexit
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from encoded_images import photograph
from PIL import Image


def _put_ffmpeg_on_the_path() -> None:
    """If the machine has no program ffmpeg, the tests use that of the package imageio-ffmpeg, whose file has another name."""
    if shutil.which("ffmpeg") is None and importlib.util.find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        folder = tempfile.TemporaryDirectory(prefix="ffmpeg-")
        atexit.register(folder.cleanup)
        os.symlink(imageio_ffmpeg.get_ffmpeg_exe(), os.path.join(folder.name, "ffmpeg"))
        os.environ["PATH"] += os.pathsep + folder.name


_put_ffmpeg_on_the_path()
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # importing it would ask the network for its newest version


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data in the environment variable BLURKIT_TEST_DATA. If it is not set, the test is skipped."""
    value = os.environ.get("BLURKIT_TEST_DATA", "")
    if not value:
        pytest.skip("BLURKIT_TEST_DATA is not set: no real data to test on")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"BLURKIT_TEST_DATA={value} is not a folder")
    return folder


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A small photograph to encode."""
    return photograph()


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory) -> SimpleNamespace:
    """``folder``: has a dataset in shards/, which tests only read or copy. ``run``: its finished command with JSON output."""
    from command_line import SMALL, run

    folder = tmp_path_factory.mktemp("small")
    return SimpleNamespace(folder=folder, run=run("generate", *SMALL, "--per-image", 3, "--workers", 2, "--json", cwd=folder))


@pytest.fixture(scope="session")
def make_sample():
    """A function that makes a sample of random pixels from a number and a size."""
    from blurkit.shard import Sample

    def make(number: int, height: int = 70, width: int = 50) -> Sample:
        rng = np.random.default_rng(number)
        kernel = rng.random((2 * (number % 4) + 1,) * 2, dtype=np.float32)
        meta = {
            "source": "folder",
            "licence": "CC0-1.0" if number % 2 else "",
            "source_sha256": f"{number:064x}",
            "notes": "grey to RGB" if number % 3 == 0 else "",
            "variant": number % 2,
            "crop": (number, 2, height, width),
            "valid": (1, 1, height - 2, width - 2),
            "seed": (2**63 - 1, 1, 2, 3, 2**32 - 1),
            "length": number + 0.5,
            "exposure": 1.0,
            **({"jpeg_quality": 80.0} if number % 2 else {}),
        }
        images = rng.integers(0, 256, (2, height, width, 3), np.uint8)
        path = rng.random((7 * (number % 5), 2), dtype=np.float32)
        return Sample(images[0], images[1], kernel / kernel.sum(), path, f"züge/{number}.jpg", meta)

    return make


@pytest.fixture
def write(tmp_path, make_sample):
    """A function that writes a shard of samples of these sizes and returns its path, its samples and its record."""
    from blurkit.shard.writer import write_shard

    def write_samples(sizes, name="00000.h5"):
        samples = [make_sample(number, *size) for number, size in enumerate(sizes)]
        attributes = {"format": "blurkit-shard", "version": 1, "recipe": 'name = "test"\n'}
        written = write_shard(tmp_path / name, iter(samples), attributes=attributes)
        return tmp_path / name, samples, written

    return write_samples
