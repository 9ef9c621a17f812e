"""``blurkit info SHARDS``: prints what a dataset contains."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.commands.outcome import LEFT_OUT, nothing_stored, reason_lines, shifts
from blurkit.errors import OK
from blurkit.kernels.rasterization import statistics
from blurkit.program.origin import made_here, require_free
from blurkit.report.histograms import percentiles, text_histogram
from blurkit.shard.documents import LEDGER
from blurkit.shard.index import Dataset, open_dataset
from blurkit.shard.ledger import read_ledger


def info(shards: str, *, out: Path | None, as_json: bool, overwrite: bool = False) -> int:
    """Print counts and distributions as text or JSON. With ``out``, also draw the distributions. Returns the exit code."""
    if out is not None:
        require_free({out: made_here}, overwrite=overwrite)
    dataset = open_dataset(shards, partial=True)
    if not len(dataset):
        raise nothing_stored(shards, dataset)
    counts, columns = _counts(dataset), _columns(dataset)
    if out is not None:
        from blurkit.report.plots import draw_histograms

        draw_histograms(columns, out, title=f"{shards} · {len(dataset):,} pairs")
    if as_json:
        spreads = {label: percentiles(values) for label, values in columns.items()}
        print(json.dumps({**counts, "quantiles": spreads}, ensure_ascii=False))
        return OK
    for key, value in counts.items():
        if value is not None:  # some values are unknown until the dataset is complete
            print(f"{key:<10} {value_text(value)}")
    if lines := read_ledger(dataset.folder / LEDGER):
        print(LEFT_OUT, *reason_lines(lines), sep="\n")
        print(f"{dataset.folder / LEDGER} names each")
    for label in ("blur extent [px]", "effective length [px]", "shift [px]"):
        if label in columns:  # averaged frames have no kernels, and few pairs are registered
            print()
            print(text_histogram(columns[label], label=label))
    if out is not None:
        print(f"\n{out}: plots of all distributions")
    return OK


def _counts(dataset: Dataset) -> dict[str, Any]:
    images, objects = set(), 0
    sources, licences, sizes = collections.Counter[str](), collections.Counter[str](), collections.Counter[str]()
    for number in range(len(dataset.files)):
        shard = dataset.shard(number)
        photographs = [shard.photograph(row) for row in range(len(shard))]
        images.update(photographs)
        sources.update(source for source, _ in photographs)
        licences.update(licence.decode() or "unknown" for licence in shard.columns["licence"].tolist())
        objects += int(shard.columns.get("mask_count", np.zeros(0)).sum())
        sizes.update("x".join(map(str, shard.shape(row))) for row in range(len(shard)))
    configuration = dataset.index.get("configuration", {})
    return {
        "pairs": len(dataset),
        "images": len(images),
        "shards": len(dataset.files),
        "bytes": sum((dataset.folder / file).stat().st_size for file in dataset.files),
        "complete": bool(dataset.digest) if dataset.index else None,
        "failed": dataset.index.get("failed"),
        "skipped": dataset.index.get("skipped"),
        "recipe": configuration.get("recipe", {}).get("name"),
        "seed": configuration.get("seed"),
        "stored": dataset.store if dataset.store != "pairs" else None,
        "sizes": dict(sizes.most_common(8)),
        "sources": dict(sources.most_common()),
        "licences": dict(licences.most_common()),
        "objects": objects,
        "digest": dataset.digest or None,
    }


def _columns(dataset: Dataset) -> dict[str, NDArray[np.float64]]:
    """Label -> values of all samples. A quantity that the recipe does not draw is left out."""
    columns: dict[str, list[float]] = collections.defaultdict(list)
    for number in range(len(dataset.files)):
        shard = dataset.shard(number)
        kernels = (shard.kernel(row) for row in range(len(shard)))
        shapes = [statistics(kernel) for kernel in kernels if kernel.size]
        columns["blur extent [px]"] += [shape.extent for shape in shapes]
        columns["effective length [px]"] += [shape.effective_length for shape in shapes]
        for name, label in (("length", "path length [px]"), ("exposure", "exposure"), ("jpeg_quality", "JPEG quality")):
            columns[label] += shard.columns.get(f"parameters/{name}", np.empty(0)).tolist()
        columns["shift [px]"] += shifts(shard).tolist()
        shot = shard.columns.get("parameters/shot", np.empty(0))
        columns["shot noise [log10]"] += np.log10(shot).tolist()
    arrays = {label: np.array(values, np.float64) for label, values in columns.items()}
    return {label: values for label, values in arrays.items() if np.isfinite(values).any()}


def value_text(value: Any) -> str:
    """Returns a count, or a dict of counts, as text for people."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count:,}" for key, count in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
