"""Makes stored samples again from their photographs, to check that a dataset agrees with its recipe."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.errors import BadImageError, CorruptShardError, UsageError
from blurkit.pipeline.machine import difference
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings, parse_size
from blurkit.recipes.load import stored_recipe
from blurkit.shard.documents import read_plan
from blurkit.shard.format import Sample
from blurkit.shard.index import Dataset
from blurkit.shard.reader import Shard
from blurkit.sources.known.mapillary import VERSIONS
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.pairs import PairLayout
from blurkit.sources.record import ImageRecord
from blurkit.sources.selection import annotations_owner, per_source


def remake(
    dataset: Dataset, numbers: Sequence[int], roots: Sequence[str], files: Sequence[str], annotations: str | None = None
) -> Iterator[tuple[str, str, str]]:
    """Makes samples again, and yields (shard, sample, difference) for each sample that differs from the stored sample.

    ``numbers``: of the samples in the dataset. ``roots``: the folders of the photographs: ``DIR``, or ``NAME=DIR`` for one of
    several sources. ``files``: the files of the recipe, as ``KEY=PATH``. ``annotations``: the file that lists the photographs, if
    the dataset was made with one.

    The dataset can come from a stranger. So nothing that its plan or its recipe names is opened, only what the user names, and
    the photographs in the package. Raises :class:`UsageError`, which says what to name, or that there is no ``plan.json``."""
    plan = read_plan(dataset.folder)
    if plan is None:
        raise UsageError(f"{dataset.folder} has no plan.json, and --recompute needs it; run the command without --recompute")
    places = _places(plan["roots"], roots)
    sound = _sound(dataset, numbers)
    records = _records(set(sound.values()), plan["configuration"], places, annotations)
    settings, machine = None, difference(plan["configuration"].get("machine"))
    for number, photograph in sound.items():
        shard, row = dataset.locate(number)
        stored, record = shard[row], records.get(photograph)
        settings = settings or _settings(shard, plan, files)
        if record is None:
            place = places.get(photograph[0]) or "the package"
            yield shard.path.name, stored.name, f"its photograph is not in {place}; name its folder with --root DIR"
            continue
        try:
            made = next(make_samples(record, settings, [stored.meta["variant"]]))
        except BadImageError as error:
            yield shard.path.name, stored.name, f"its photograph can no longer be used: {error}"
            continue
        differing = _difference(stored, made, machine)
        if differing:
            yield shard.path.name, stored.name, differing


def _places(sources: dict[str, str], roots: Sequence[str]) -> dict[str, Path | None]:
    """The folder of each source, ``None`` for the photographs in the package. ``sources``: where they were, for messages."""
    root, named = per_source(roots, list(sources), "--root", Path)
    places = {name: None if name == "sample" else named.get(name, root) for name in sources}
    for name, place in places.items():
        if place is None and name != "sample":
            option = f"--root {shlex.quote(sources[name])}" if len(sources) == 1 else f"--root {shlex.quote(f'{name}=DIR')}"
            raise UsageError(
                f"--recompute reads the photographs of {name} only in a folder that you name; the plan says {sources[name]!r}. "
                f"If you trust it, add {option}"
            )
    return places


def _settings(shard: Shard, plan: dict[str, Any], files: Sequence[str]) -> Settings:
    """The settings of the stored samples: the recipe from the shard, all other values from the plan."""
    named = dict(text.partition("=")[::2] for text in files)
    if not all(named.values()):
        raise UsageError(f"--file takes KEY=PATH, such as response.decode=curve.txt, got {', '.join(files)}")
    recipe = stored_recipe(str(shard.attributes.get("recipe", "")), named, where=f"the recipe in {shard.path}")
    names = {field.name for field in dataclasses.fields(Settings)} - {"recipe", "size"}
    values = {name: value for name, value in plan["configuration"].items() if name in names}
    return Settings(recipe, size=parse_size(plan["configuration"].get("size", "")), **values)


def _sound(dataset: Dataset, numbers: Iterable[int]) -> dict[int, tuple[str, str]]:
    """The photographs of samples, (source, id) by number, without damaged samples, which ``blurkit verify`` names anyway."""
    sound = {}
    for number in numbers:
        with contextlib.suppress(CorruptShardError):
            shard, row = dataset.locate(number)
            shard.verify(row)
            sound[number] = shard.photograph(row)
    return sound


def _records(
    wanted: set[tuple[str, str]], configuration: dict[str, Any], places: dict[str, Path | None], annotations: str | None
) -> dict[tuple[str, str], ImageRecord]:
    """The records of these photographs by (source, id). The sources are opened again."""
    masks, stored = configuration.get("masks", True), configuration.get("annotations", "newest")
    if stored in VERSIONS:
        annotations = stored
    elif annotations is None and stored != "newest":
        raise UsageError(f"--recompute reads only files that you name; add --annotations FILE, which is {stored!r} in the plan")
    owner = annotations_owner(annotations, list(places))
    records: dict[tuple[str, str], ImageRecord] = {}
    for name, place in places.items():
        source = open_source(
            name if name in SOURCES else "folder",
            root=place,
            split=configuration.get("split", "all") if name == "coco" else "all",  # it may choose one of several layouts
            masks=masks,
            annotations=annotations if name == owner else None,
            label=name,
            licence=configuration.get("licence", ""),
            layout=PairLayout.of(configuration),
        )
        records |= {(name, record.id): record for record in source.records if (name, record.id) in wanted}
    return records


def _difference(stored: Sample, made: Sample, machine: str = "") -> str:
    """What differs between two samples, or an empty text. ``machine``: what differs between the two machines."""
    if stored.meta["source_sha256"] != made.meta["source_sha256"]:
        return "its photograph has changed since (sha256)"
    for name in (part.name for part in dataclasses.fields(Sample) if part.name not in ("id", "meta")):
        differing = _differing_part(name, getattr(stored, name), getattr(made, name))
        if differing:
            annotated = name in ("objects", "moves")
            question = "have its annotations changed since?" if annotated else "was it made with other package versions?"
            if machine:
                question = f"this is no sign of damage: it was made on another kind of machine ({machine})"
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
