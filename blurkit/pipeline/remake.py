"""Makes stored samples again from their photographs, to check that a dataset agrees with its recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.errors import BadImageError, UsageError
from blurkit.pipeline.plan import read_plan
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings, parse_size
from blurkit.recipes.load import recipe_from_toml
from blurkit.shard.format import Sample
from blurkit.shard.index import Dataset
from blurkit.shard.reader import Shard
from blurkit.sources.known.mapillary import VERSIONS
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.record import ImageRecord
from blurkit.sources.selection import per_source


def remake(dataset: Dataset, numbers: Sequence[int], roots: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Makes samples again, and yields (shard, sample, difference) for each sample that differs from the stored sample.
    ``numbers``: of the samples in the dataset. ``roots``: where the photographs are now, if they were moved: ``DIR``, or
    ``NAME=DIR`` for one of several sources. Raises :class:`UsageError` if the dataset has no ``plan.json``."""
    plan = read_plan(dataset.folder)
    if plan is None:
        raise UsageError(f"{dataset.folder} has no plan.json, and --recompute needs it; run the command without --recompute")
    root, moved = per_source(roots, list(plan["roots"]), "--root", Path)
    places = {name: moved.get(name, root or Path(place)) for name, place in plan["roots"].items()}
    records = _records(dataset, numbers, plan["configuration"], places)
    settings = None
    for number in numbers:
        shard, row = dataset.locate(number)
        stored, source = shard[row], shard.photograph(row)[0]
        record = records.get(shard.photograph(row))
        settings = settings or _settings(shard, plan)
        if record is None:
            yield shard.path.name, stored.name, f"its photograph is not in {places[source]}; give its folder by --root DIR"
            continue
        try:
            made = next(make_samples(record, settings, [stored.meta["variant"]]))
        except BadImageError as error:
            yield shard.path.name, stored.name, f"its photograph can no longer be used: {error}"
            continue
        difference = _difference(stored, made)
        if difference:
            yield shard.path.name, stored.name, difference


def _settings(shard: Shard, plan: dict[str, Any]) -> Settings:
    """The settings of the stored samples: the recipe from the shard, all other values from the plan."""
    files = [f"{key}={path}" for key, path in plan["files"].items()]
    recipe = recipe_from_toml(shard.attributes["recipe"], where=str(shard.path), settings=files)
    names = {field.name for field in dataclasses.fields(Settings)} - {"recipe", "size"}
    values = {name: value for name, value in plan["configuration"].items() if name in names}
    return Settings(recipe, size=parse_size(plan["configuration"]["size"]), **values)


def _records(
    dataset: Dataset, numbers: Iterable[int], configuration: dict[str, Any], places: dict[str, Path]
) -> dict[tuple[str, str], ImageRecord]:
    """The records of these samples by (source, id). The sources are opened again."""
    wanted = {shard.photograph(row) for shard, row in map(dataset.locate, numbers)}
    masks, version = configuration["masks"], configuration["annotations"]
    records: dict[tuple[str, str], ImageRecord] = {}
    for name, place in places.items():
        source = open_source(
            name if name in SOURCES else "folder",
            root=None if name == "sample" else place,
            masks=masks,
            annotations=version if name == "mapillary" and version in VERSIONS else None,
            label=name,
        )
        records |= {(name, record.id): record for record in source.records if (name, record.id) in wanted}
    return records


def _difference(stored: Sample, made: Sample) -> str:
    if stored.meta["source_sha256"] != made.meta["source_sha256"]:
        return "its photograph has changed since (sha256)"
    for name in (part.name for part in dataclasses.fields(Sample) if part.name not in ("id", "meta")):
        differing = _differing_part(name, getattr(stored, name), getattr(made, name))
        if differing:
            annotated = name in ("objects", "moves")
            question = "have its annotations changed since?" if annotated else "was it made with other package versions?"
            return f"made again from its photograph, {differing} differs; {question}"
    keys = [key for key in stored.meta.keys() | made.meta.keys() if stored.meta.get(key) != made.meta.get(key)]
    return f"made again from its photograph, {', '.join(sorted(keys))} differ" if keys else ""


def _differing_part(name: str, one: Any, other: Any) -> str:
    """The name of the first array in which two values differ, or an empty text if they are equal."""
    if not (dataclasses.is_dataclass(one) and dataclasses.is_dataclass(other)):
        return "" if np.array_equal(one, other) else name
    inner = (part.name for part in dataclasses.fields(one) if part.name != "problems")  # problems are not stored
    names = (_differing_part(f"{name}.{part}", getattr(one, part), getattr(other, part)) for part in inner)
    return next(filter(None, names), "")
