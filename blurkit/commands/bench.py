"""``blurkit bench``: measures speed and memory, and prints each figure beside its promised limit.

Machines differ and are noisy. So nearly all figures are ratios of two computations, which run alternately on one thread. The
time of each is that of its fastest repetition.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.codes import blur_codes
from blurkit.blurring.convolve import blur
from blurkit.camera.response import load_response
from blurkit.commands.bench_export import export_figures
from blurkit.commands.bench_import import import_figures
from blurkit.decode.image import read_image
from blurkit.kernels.rasterization import rasterize, statistics
from blurkit.kernels.trajectory import boracchi_foi
from blurkit.pair.seeds import generator, seed_words
from blurkit.pair.shake import draw_shake
from blurkit.pipeline.choices import Choices
from blurkit.pipeline.engine import run_tasks
from blurkit.pipeline.task import make_shard
from blurkit.program.benchmark import Figure, measure, times
from blurkit.program.signals import Stop
from blurkit.program.workers import Report, run_apart
from blurkit.recipes.load import load_recipe
from blurkit.shard import Shard
from blurkit.shard.documents import shard_name
from blurkit.shard.format import FIELDS
from blurkit.sources.open import open_source

#: (height, width) of the images that are blurred: the size of a photograph of COCO, and eight megapixels.
SIZES = ((480, 640), (2448, 3264))
#: The side of the square canvas that cv2.filter2D gets, in pixels, and about how many taps the kernel has.
CANVAS = 65
TAPS = 125


def bench(sections: tuple[str, ...], *, as_json: bool) -> int:
    """Measure these sections, or all if none is named. Returns the exit code of :func:`blurkit.program.benchmark.measure`."""
    cv2.setNumThreads(1)
    return measure(SECTIONS, sections, as_json=as_json)


def _kernels() -> Iterator[Figure]:
    rng, clean = np.random.default_rng(0), load_recipe("clean").parts[0]
    published, drawn = times(
        lambda: [rasterize(boracchi_foi(length=60, anxiety=0.005, rng=rng)) for _ in range(100)],
        lambda: [draw_shake(clean, rng=rng) for _ in range(100)],
        repeats=8,
    )
    yield Figure("a kernel of the published process, 2000 samples", published * 1e4, 150, "us", at_most=True)
    yield Figure("a path, a kernel and all draws of the recipe `clean`", drawn * 1e4, 300, "us", at_most=True)


def _convolution() -> Iterator[Figure]:
    kernel, canvas = _typical_kernel()
    for size, least in zip(SIZES, (3.5, 2.5), strict=True):
        image = load_response("srgb").decode(_photograph(size))
        ours, theirs = times(lambda: blur(image, kernel), lambda: _filter2d(image, canvas), repeats=7)  # noqa: B023
        yield Figure(f"blur over cv2.filter2D on a {CANVAS}x{CANVAS} canvas, {size[1]}x{size[0]}x3", theirs / ours, least, "x")


def _fused() -> Iterator[Figure]:
    (kernel, canvas), response = _typical_kernel(), load_response("srgb")
    codes_of = response.quantize(np.linspace(0, 1, 65536, dtype=np.float32))

    def steps(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        blurred = _filter2d(cv2.LUT(codes, response.table), canvas)
        return codes_of[np.minimum(blurred * 65535, 65535).astype(np.uint16)]

    for size, least in zip(SIZES, (4.0, 3.5), strict=True):
        codes = _photograph(size)
        ours, theirs = times(lambda: blur_codes(codes, kernel, response), lambda: steps(codes), repeats=5)  # noqa: B023
        yield Figure(f"blur in linear light over cv2.filter2D with tables, {size[1]}x{size[0]}x3", theirs / ours, least, "x")


def _workers() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        source = _folder_of_photographs(Path(folder), SIZES[0], count=16)
        rates = [_pairs_per_second(source, Path(folder) / str(workers), workers) for workers in (1, 2)]
    yield Figure("pairs/s of two workers over one", rates[1] / rates[0], 1.8, "x")


def _pairs_per_second(source: Path, out: Path, workers: int) -> float:
    """The rate of a run while all workers are busy. The first shard of each worker and the last shard are not counted."""
    plan = Choices(src=(str(source),), size="256", per_image=160, settings=("shard_bytes=67108864",)).plan()
    out.mkdir()
    run = run_tasks(plan.tasks(out, range(len(plan.shards))), workers=workers, stop=Stop(), tick=lambda _: None)
    moments = [(time.perf_counter(), finished.samples) for finished in run]
    return sum(samples for _, samples in moments[workers:-1]) / (moments[-2][0] - moments[workers - 1][0])


def _memory() -> Iterator[Figure]:
    """Measured in a separate process, from the peak that the operating system records. Only Linux can reset this peak."""
    if sys.platform != "linux":
        return
    with tempfile.TemporaryDirectory() as folder:
        source = _folder_of_photographs(Path(folder), SIZES[1], count=1)
        used = run_apart(_megabytes_above_idle, source)
    yield Figure("memory of a worker above its idle size, 8 megapixels", used, 250, "MB", at_most=True)


def _megabytes_above_idle(source: Path, _: Report) -> float:
    """The peak memory while pairs of whole photographs are made, minus the memory after small pairs were made, in MB."""

    def kilobytes(key: str) -> int:
        return int(re.findall(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[0])

    cv2.setNumThreads(1)
    _first_shard(source.parent, src=("sample",), size="64", per_image=2)
    idle = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    _first_shard(source.parent, src=(str(source),), size="full", per_image=2)
    return (kilobytes("VmHWM") - idle) / 1000


def _first_shard(folder: Path, **choices: Any) -> Path:
    make_shard(next(Choices(**choices).plan().tasks(folder, [0])), lambda *_: None)
    return folder / shard_name(0)


def _reading() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        source = _folder_of_photographs(Path(folder), SIZES[0], count=9)
        shard = Shard(_first_shard(Path(folder), src=(str(source),), size="full", recipe="clean", per_image=4))
        with h5py.File(shard.path) as file:
            mapped = [np.memmap(shard.path, np.uint8, "r", file[name].id.get_offset(), file[name].shape) for name in FIELDS]
        rng = np.random.default_rng(0)
        places = rng.integers((len(shard), SIZES[0][0] - 255, SIZES[0][1] - 255), size=(3000, 3)).tolist()

        def ours() -> None:
            for index, y, x in places:
                for part in shard.crop(index, y, x, 256):
                    np.ascontiguousarray(part)

        def theirs() -> None:
            for index, y, x in places:
                for pixels in mapped:
                    np.ascontiguousarray(pixels[index, y : y + 256, x : x + 256])

        with_checks, without_checks = times(ours, theirs, repeats=5)
    yield Figure("256x256 crop pairs/s over np.memmap", without_checks / with_checks, 0.6, "x")


def _exporting() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        source = _folder_of_photographs(Path(folder), SIZES[0], count=16)
        yield from export_figures(_first_shard(Path(folder), src=(str(source),), size="320", recipe="clean", per_image=8))


def _importing() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from import_figures(Path(folder), [_photograph((720, 1280), number) for number in range(24)])


def _start() -> Iterator[Figure]:
    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    with_help, interpreter = times(lambda: run("-m", "blurkit", "--help"), lambda: run("-c", "pass"), repeats=10)
    yield Figure("`blurkit --help` beyond the interpreter's own start", (with_help - interpreter) * 1e3, 150, "ms", at_most=True)


def _torch() -> Iterator[Figure]:
    """Measured only if torch and kornia are installed: they are no dependencies."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "kornia")):
        return
    from blurkit.torch.benchmark import figures

    kernel, canvas = _typical_kernel()
    yield from figures(np.stack([_photograph((256, 256), number) for number in range(8)]), kernel, canvas)


def _typical_kernel() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first kernel of the published process with about ``TAPS`` taps that fits the canvas, and this kernel on the canvas.

    On the canvas it is rotated by 180 degrees, since ``cv2.filter2D`` correlates.
    """
    for number in range(10_000):
        rng = generator(seed_words(0, "bench", str(number), 0))
        kernel = rasterize(boracchi_foi(length=60, anxiety=0.005, rng=rng))
        if abs(statistics(kernel).taps - TAPS) <= 2 and len(kernel) <= CANVAS:
            return kernel, np.pad(kernel[::-1, ::-1], (CANVAS - len(kernel)) // 2)
    raise RuntimeError(f"no kernel of the published process has {TAPS} taps and fits {CANVAS}x{CANVAS} pixels")


def _filter2d(image: NDArray[np.float32], canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    return cv2.filter2D(image, -1, canvas, borderType=cv2.BORDER_REFLECT_101)


def _photograph(size: tuple[int, int], number: int = 0) -> NDArray[np.uint8]:
    """A photograph of the package, resized to this (height, width)."""
    records = list(open_source("sample").records)
    pixels = read_image(records[number % len(records)].path).pixels
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC)


def _folder_of_photographs(folder: Path, size: tuple[int, int], *, count: int) -> Path:
    source = folder / "photographs"
    source.mkdir()
    for number in range(count):
        cv2.imwrite(str(source / f"{number:02d}.jpg"), cv2.cvtColor(_photograph(size, number), cv2.COLOR_RGB2BGR))
    return source


SECTIONS: dict[str, Callable[[], Iterator[Figure]]] = {
    "kernels": _kernels,
    "convolution": _convolution,
    "fused": _fused,
    "workers": _workers,
    "memory": _memory,
    "reading": _reading,
    "export": _exporting,
    "import": _importing,
    "start": _start,
    "torch": _torch,
}
