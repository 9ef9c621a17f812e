"""Making stored samples again from their photographs, to show that a dataset is what its recipe says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from blurkit.errors import BadImageError, UsageError
from blurkit.plan import read_plan
from blurkit.produce import make_samples
from blurkit.recipe import recipe_from_toml
from blurkit.settings import Settings, parse_size
from blurkit.shard.format import Sample
from blurkit.shard.index import Dataset
from blurkit.sources import open_source


def remake(dataset: Dataset, numbers: Iterable[int], root: str | None) -> Iterator[tuple[str, str, str]]:
    """Make these samples anew and yield (shard, sample, what differs) for each that is not equal to the stored one.

    ``root``: where the photographs lie now, if they have moved since.
    """
    plan = read_plan(dataset.folder)
    if plan is None:
        raise UsageError(f"{dataset.folder} has no plan.json, which --recompute needs; without --recompute it can be verified")
    configuration = plan["configuration"]
    place = Path(root or plan["root"])
    source = open_source("sample") if configuration["source"] == "sample" else open_source("folder", root=place)
    records = {record.id: record for record in source.records}
    recipe = None
    for number in numbers:
        shard, row = dataset.locate(number)
        stored = shard[row]
        if recipe is None:
            files = [f"{key}={path}" for key, path in plan["files"].items()]
            recipe = recipe_from_toml(shard.attributes["recipe"], where=str(shard.path), settings=files)
        settings = Settings(recipe, configuration["seed"], parse_size(configuration["size"]), configuration["per_image"])
        if stored.id not in records:
            yield shard.path.name, stored.name, f"its photograph is not in {source.root} any more; --root DIR says where it is"
            continue
        try:
            made = next(make_samples(records[stored.id], settings, [stored.meta["variant"]]))
        except BadImageError as error:
            yield shard.path.name, stored.name, f"its photograph cannot be used any more: {error}"
            continue
        difference = _difference(stored, made)
        if difference:
            yield shard.path.name, stored.name, difference


def _difference(stored: Sample, made: Sample) -> str:
    if stored.meta["source_sha256"] != made.meta["source_sha256"]:
        return "its photograph has changed since (sha256)"
    for name in ("sharp", "blurred", "kernel", "path"):
        if not np.array_equal(getattr(stored, name), getattr(made, name)):
            return f"made again from its photograph, {name} differs; was it made with other package versions?"
    if stored.meta != made.meta:
        keys = [key for key in stored.meta.keys() | made.meta.keys() if stored.meta.get(key) != made.meta.get(key)]
        return f"made again from its photograph, {', '.join(sorted(keys))} differ"
    return ""
