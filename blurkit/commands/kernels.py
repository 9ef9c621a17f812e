"""``blurkit kernels``: draws a bank of kernels from a recipe, for use in other programs."""

from __future__ import annotations

import json
import time
from pathlib import Path

from blurkit.errors import OK, UsageError
from blurkit.kernels.bank import KernelBank
from blurkit.kernels.rasterization import statistics
from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.seeds import generator, seed_words
from blurkit.program.progress import data_size
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.report.histograms import percentiles


def kernels(recipe: Recipe | Mixture, *, count: int, seed: int, out: Path, overwrite: bool, as_json: bool) -> int:
    """Draw ``count`` kernels and save them as a bank. Kernel i depends only on the seed, i and the recipe.

    Returns the exit code.
    """
    if count < 1:
        raise UsageError(f"-n must be at least 1, got {count}")
    begin = time.perf_counter()
    drawn = [draw_kernel(recipe, rng=generator(seed_words(seed, "kernels", str(i), 0))) for i in range(count)]
    seconds = time.perf_counter() - begin
    KernelBank.from_arrays(drawn, [f"{recipe.name}-{i:06d}" for i in range(count)]).save(out, overwrite=overwrite)
    shapes = [statistics(kernel) for kernel in drawn]
    names = {"extent": "extent [px]", "effective_length": "effective length [px]", "taps": "taps"}
    spreads = {name: percentiles([getattr(shape, name) for shape in shapes], 2) for name in names}
    if as_json:
        numbers = {"out": str(out), "kernels": count, "recipe": recipe.name, **spreads, "seconds": round(seconds, 3)}
        print(json.dumps(numbers, ensure_ascii=False))
        return OK
    files = [out] if out.is_file() else list(out.iterdir())
    print(f"{out}: {count:,} kernels of {recipe.name}, {data_size(sum(file.stat().st_size for file in files))}")
    for name, label in names.items():
        print(f"{label:<22} " + "   ".join(f"{quantile} {value:g}" for quantile, value in spreads[name].items()))
    return OK
