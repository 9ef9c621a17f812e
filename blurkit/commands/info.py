"""``blurkit info``: what a dataset or a source holds."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import OK, BadImageError, UsageError
from blurkit.histogram import text_histogram
from blurkit.kernel import statistics
from blurkit.progress import data_size
from blurkit.shard.index import Dataset, open_dataset


def info(shards: str | None, src: str | None, *, root: str | None, split: str, out: Path | None, as_json: bool) -> int:
    """Counts and distributions, as text or JSON and, with ``out``, as a plot. Returns the exit code."""
    if shards is None:
        return _info_of_source(src or "sample", root, split, as_json)
    dataset = open_dataset(shards, partial=True)
    if not len(dataset):
        raise UsageError(f"{shards} holds no complete shard yet; run `blurkit generate --out {shards}`")
    counts, columns = _counts(dataset), _columns(dataset)
    if out is not None:
        from blurkit.sheet import draw_histograms

        draw_histograms(columns, out, title=f"{shards} · {len(dataset):,} pairs")
    if as_json:
        quantiles = {label: _quantiles(values) for label, values in columns.items()}
        print(json.dumps({**counts, "quantiles": quantiles}, ensure_ascii=False))
        return OK
    for key, value in counts.items():
        if value is not None:  # unknown until the dataset is complete
            print(f"{key:<10} {_text(value)}")
    for label in ("blur extent [px]", "effective length [px]"):
        print()
        print(text_histogram(columns[label], label=label))
    if out is not None:
        print(f"\n{out}: all distributions as a plot")
    return OK


def _counts(dataset: Dataset) -> dict[str, Any]:
    images, licences, sizes = set(), collections.Counter[str](), collections.Counter[str]()
    for number in range(len(dataset.files)):
        shard = dataset.shard(number)
        for row in range(len(shard)):
            images.add((bytes(shard.columns["source"][row]), bytes(shard.columns["id"][row])))
            licences[bytes(shard.columns["licence"][row]).decode() or "unknown"] += 1
            height, width = shard.shape(row)
            sizes[f"{height}x{width}"] += 1
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
        "sizes": dict(sizes.most_common(8)),
        "licences": dict(licences.most_common()),
        "digest": dataset.digest or None,
    }


def _columns(dataset: Dataset) -> dict[str, NDArray[np.float64]]:
    """Distributions over all samples; what a recipe does not draw is left out."""
    columns: dict[str, list[float]] = collections.defaultdict(list)
    for number in range(len(dataset.files)):
        shard = dataset.shard(number)
        for row in range(len(shard)):
            shape = statistics(shard.kernel(row))
            columns["blur extent [px]"].append(shape.extent)
            columns["effective length [px]"].append(shape.effective_length)
        for name, label in (("length", "path length [px]"), ("exposure", "exposure"), ("jpeg_quality", "JPEG quality")):
            columns[label] += shard.columns.get(f"parameters/{name}", np.empty(0)).tolist()
        shot = shard.columns.get("parameters/shot", np.empty(0))
        columns["shot noise [log10]"] += np.log10(shot).tolist()
    arrays = {label: np.array(values, np.float64) for label, values in columns.items()}
    return {label: values for label, values in arrays.items() if np.isfinite(values).any()}


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    return {f"p{q}": round(float(np.percentile(finite, q)), 3) for q in (0, 10, 50, 90, 100)}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count:,}" for key, count in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _info_of_source(name: str, root: str | None, split: str, as_json: bool) -> int:
    from blurkit.decode import image_size
    from blurkit.sources import open_source

    source = open_source(name, root=Path(root) if root else None, split=split)
    sides, licences, unreadable, count, size = [], collections.Counter[str](), 0, 0, 0
    for record in source.records:
        count += 1
        licences[record.licence or "unknown"] += 1
        try:
            sides.append(image_size(record.path))
            size += Path(record.path).stat().st_size
        except (BadImageError, OSError):
            unreadable += 1
    smallest = min(sides, key=min, default=(0, 0))
    largest = max(sides, key=lambda shape: shape[0] * shape[1], default=(0, 0))
    counts: dict[str, Any] = {
        "source": source.name,
        "root": str(source.root),
        "images": count,
        "unreadable": unreadable,
        "passed_over": len(source.passed_over),
        "bytes": size,
        "smallest": f"{smallest[0]}x{smallest[1]}",
        "largest": f"{largest[0]}x{largest[1]}",
        "licences": dict(licences.most_common()),
    }
    if as_json:
        print(json.dumps(counts, ensure_ascii=False))
    else:
        for key, value in counts.items():
            print(f"{key:<12} {data_size(value) if key == 'bytes' else _text(value)}")
    return OK
