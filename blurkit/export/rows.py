"""A row of the table of pairs: where a pair is, whose photograph it shows, and what was drawn for it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from blurkit.shard.format import Sample, parameters
from blurkit.sources.known.manifest import load_manifest
from blurkit.sources.licence import licence_address


def row_of(name: str, place: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """The row of a pair, as values of JSON. ``place``: where the pair is.

    ``uniform`` says what the kernel is: of all pixels (true), or of the middle pixel of a blur that varies (false); it is null if
    the kernel is unknown.
    """
    meta = sample.meta
    return {
        "name": name,
        **place,
        "source": meta["source"],
        "id": sample.id,
        "variant": meta["variant"],
        "licence": meta["licence"],
        "licence_url": licence_address(meta["licence"]),
        "credit": _credits().get(sample.id, "") if meta["source"] == "sample" else "",
        "source_sha256": meta["source_sha256"],
        "crop": list(meta["crop"]),
        "valid": list(meta["valid"]),
        "notes": meta["notes"],
        "uniform": _is_uniform(sample),
        "parameters": parameters(sample),
    }


def _is_uniform(sample: Sample) -> bool | None:
    if not sample.kernel.size:
        return None
    return sample.nodes is None and sample.radius is None and not len(sample.moves)


@functools.cache
def _credits() -> dict[str, str]:
    """Returns the id of each packaged photograph with its author and address. For other photographs neither is stored."""
    rows = load_manifest("sample").photographs
    return {Path(row["file"]).stem: f"{row['title']}, {row['author']}, {row['origin']}" for row in rows}
