"""``blurkit kernels``: a bank of kernels drawn by a recipe, for other people's work."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from blurkit.errors import OK, UsageError
from blurkit.kernels.bank import KernelBank
from blurkit.kernels.rasterization import statistics
from blurkit.pair.camera_motion import draw_kernel
from blurkit.pipeline.seeds import generator, seed_words
from blurkit.program.progress import data_size
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe


def kernels(recipe: Recipe | Mixture, *, count: int, seed: int, out: Path, overwrite: bool, as_json: bool) -> int:
    """Draw ``count`` kernels and save them as a bank. Kernel i depends on (seed, i) and the recipe alone."""
    if count < 1:
        raise UsageError(f"-n is at least 1, got {count}")
    begin = time.perf_counter()
    drawn = [draw_kernel(recipe, rng=generator(seed_words(seed, "kernels", str(i), 0))) for i in range(count)]
    seconds = time.perf_counter() - begin
    KernelBank.from_arrays(drawn, [f"{recipe.name}-{i:06d}" for i in range(count)]).save(out, overwrite=overwrite)
    shapes = [statistics(kernel) for kernel in drawn]
    quantiles = {
        "extent": _quantiles([shape.extent for shape in shapes]),
        "effective_length": _quantiles([shape.effective_length for shape in shapes]),
        "taps": _quantiles([shape.taps for shape in shapes]),
    }
    if as_json:
        numbers = {"out": str(out), "kernels": count, "recipe": recipe.name, **quantiles, "seconds": round(seconds, 3)}
        print(json.dumps(numbers, ensure_ascii=False))
        return OK
    files = [out] if out.is_file() else list(out.iterdir())
    print(f"{out}: {count:,} kernels of {recipe.name}, {data_size(sum(file.stat().st_size for file in files))}")
    for label, values in zip(("extent [px]", "effective length [px]", "taps"), quantiles.values(), strict=True):
        print(f"{label:<22} " + "   ".join(f"{name} {value:g}" for name, value in values.items()))
    return OK


def _quantiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (0, 10, 50, 90, 100)}
