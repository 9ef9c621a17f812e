"""The plan of a dataset: which shards to make, which shards are complete, and whether a folder may be continued."""

from __future__ import annotations

import collections
import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from blurkit import __version__
from blurkit.decode.place import ImagePlace
from blurkit.errors import BadImageError, UsageError
from blurkit.jit import source_digest
from blurkit.pair.draw import truth_bytes
from blurkit.pipeline.folder import refuse_other_files, require_own
from blurkit.pipeline.machine import machine_kind
from blurkit.pipeline.settings import Settings, size_text
from blurkit.pipeline.task import ShardTask
from blurkit.program.checks import require
from blurkit.program.files import write_atomic
from blurkit.program.locks import locked
from blurkit.program.progress import plural
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe
from blurkit.shard.documents import PLAN, read_plan, read_record
from blurkit.shard.format import CONVENTIONS, FORMAT_NAME, FORMAT_VERSION, STORES
from blurkit.shard.ledger import Failure, failures_of
from blurkit.sources.pairs import NO_PAIR
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.table import RecordTable

#: The approximate size of a sample's columns in bytes, without its pixels, its kernel and its path.
_COLUMN_BYTES = 1000

#: Keys that may differ: the texts of a recipe, and options that only choose photographs. The list of photographs has a digest.
_FREE_KEYS = {"recipe.name", "recipe.summary", "recipe.provenance", "shares", "limit", "weight"}

#: The version of blurkit that a folder was begun with.
_ITS_BLURKIT = "the version of blurkit that it was begun with"

#: For the beginning of a key: an explanation if the value differs, and what the user needs to finish the folder.
_DIFFERENCES = {
    "images_digest": (": the list of photographs has changed since the folder was begun", "the same photographs"),
    "images": ("", "the same photographs"),
    "recipe.files.": (": the contents of this file have changed since the folder was begun", "the same files"),
    "versions.code": (": blurkit's own code that decides pixels has changed since the folder was begun", _ITS_BLURKIT),
    "versions.blurkit": ("", _ITS_BLURKIT),
    "machine.": (": this machine makes other bytes of the same photograph", "a machine of the same kind"),
    "versions.": (": another version of this package can change a pixel", "the same versions of the packages"),
    "": ("", "the same values"),
}

#: At most this many differences are listed.
_LISTED = 11

#: Real pairs whose files are named.
_SHOWN = 2

#: Packages whose versions can change a pixel.
_PACKAGES = ("numpy", "scipy", "numba", "h5py")


@dataclass(frozen=True)
class Plan:
    """What is made in a folder. ``shards``: (first, last + 1) positions of the records of each shard. ``bytes``: the approximate
    size of all shards. ``configuration``: the values that ``plan.json`` stores."""

    source: Source
    settings: Settings
    records: RecordTable
    shards: list[tuple[int, int]]
    bytes: int
    configuration: dict[str, Any]

    @property
    def pairs(self) -> int:
        """The number of pairs if every photograph can be used."""
        return len(self.records) * self.settings.per_image

    def tasks(self, folder: Path, numbers: Iterable[int]) -> Iterator[ShardTask]:
        """Yields the tasks that make these shards in a folder."""
        recipe = self.settings.recipe
        common: dict[str, str | int] = {
            "format": FORMAT_NAME,
            "version": FORMAT_VERSION,
            "recipe": recipe.portable_toml(),
            "recipe_digest": recipe.digest(),
            "versions": json.dumps(self.configuration["versions"]),
            **{f"convention_{key}": text for key, text in CONVENTIONS.items()},
        }
        for number in numbers:
            first, end = self.shards[number]
            yield ShardTask(number, folder, tuple(self.records[first:end]), self.settings, {**common, "shard": number})

    def left(self, folder: Path, *, retry_failed: bool = False) -> list[int]:
        """The numbers of the shards that are not complete. A resumed run makes these from their beginning.

        With ``retry_failed``, also the shards that had failures.
        """
        records = ((number, read_record(folder, number)) for number in range(len(self.shards)))
        return [
            number
            for number, record in records
            if record is None or (retry_failed and any(failure.is_failure for failure in failures_of([record])))
        ]

    def passed_over(self) -> list[Failure]:
        """The entries of the source that were never opened, as lines of the ledger. No sample was planned for them."""
        entries = self.source.passed_over
        return [Failure(entry.id, path_id(entry.path), "source", entry.reason, entry.message, 0) for entry in entries]

    def notices(self) -> list[str]:
        """Sentences about what the recipe needs and the source does not have. Only the first photographs are examined."""
        parts, first = self.settings.recipe.parts, list(_first(self.records))
        notices = [*self.source.notices]
        if any(part.objects for part in parts) and not any(record.annotation for record in first):
            notices.append(f"{self.source.name} has no outlined objects: if the recipe moves objects, only the camera moves")
        if any(part.frames for part in parts) and not any(record.clip for record in first):
            notices.append(f"{self.source.name} has single photographs: if the recipe averages frames, no pair is made")
        if any(part.real for part in parts):
            notices += self._matched(first)
        if outputs := self.source.outputs:
            more = f" and {len(outputs) - 1} more" if len(outputs) > 1 else ""
            notices.append(f"{outputs[0]}{more}: made by blurkit or trainer, so not used as photographs")
        return notices

    def _matched(self, first: Sequence[ImageRecord]) -> list[str]:
        """How the files of real pairs were matched: the first pairs, and what is in no pair."""
        pairs = [record for record in first if record.blurred][:_SHOWN]
        notices = []
        for pair in pairs:
            places = (pair.blurred[0][1], pair.part or ImagePlace(pair.path))
            blurred, sharp = (place.within(self.source.root) for place in places)
            notices.append(f"a pair: blurred {blurred}, sharp {sharp}")
        lone = [entry for entry in self.source.passed_over if entry.reason in NO_PAIR]
        if lone:
            notices.append(f"{plural(len(lone), 'file')} in no pair, for example {lone[0].id}: {lone[0].message}")
        return notices


def make_plan(source: Source, settings: Settings, *, choice: Mapping[str, Any] = MappingProxyType({})) -> Plan:
    """Makes the plan: groups the photographs of a source into shards of about ``settings.shard_bytes``. ``choice``: how the
    photographs were chosen. It becomes part of the configuration, and a folder that was begun with another choice is not
    continued. Raises :class:`UsageError` if the source has no photograph, or no clip for a recipe that only averages frames."""
    records = RecordTable.of(source.records)
    require(len(records) > 0, f"nothing to do: the source {source.name} has no photograph")
    recipe = settings.recipe
    if all(part.frames for part in recipe.parts) and not any(record.clip for record in _first(records)):
        raise UsageError(
            f"recipe {recipe.name!r} averages frames, and {source.name} has single photographs; take --src video --root PATH"
        )
    if any(part.real for part in recipe.parts) and not any(record.blurred for record in _first(records)):
        raise UsageError(f"recipe {recipe.name!r} takes real blurred photographs, and {source.name} has none; take --src pairs")
    if settings.store != "pairs":
        _require_redrawable(recipe, settings.store)
    truth = _COLUMN_BYTES + (0 if settings.store == "sharp" else truth_bytes(recipe, settings.size))
    shards, first, filled, total = [], 0, 0, 0
    for position, size in enumerate(_sizes(records, settings, truth)):
        if position > first and filled + size > settings.shard_bytes:
            shards.append((first, position))
            first, filled = position, 0
        filled += size
        total += size
    shards.append((first, len(records)))
    return Plan(source, settings, records, shards, total, _configuration(source, settings, records, choice))


def _require_redrawable(recipe: Recipe | Mixture, store: str) -> None:
    """Raise :class:`UsageError` unless what a dataset does not store can be drawn from its recipe and what it stores."""
    for part in recipe.parts:
        option, name = f"--store {store}", repr(part.name)
        require(part.real is None, f"{option}: recipe {name} takes real blurred photographs, so nothing can be drawn anew")
        depth = part.defocus is not None and part.defocus.depth
        if store == "sharp" and (part.frames or part.objects or depth):
            needs = "the frames of a video" if part.frames else "outlined objects" if part.objects else "depth"
            raise UsageError(f"{option}: recipe {name} needs {needs}, and a stored sharp image has none; take --store light")
        files = ", ".join(part.files())
        require(not files, f"{option}: recipe {name} reads files ({files}), and later uses of the dataset do not open them")


def _first(records: RecordTable) -> Iterator[ImageRecord]:
    return itertools.islice(records, 1000)


def check_or_write_plan(folder: Path, plan: Plan) -> None:
    """Writes the folder's ``plan.json``. If the file exists, compares this plan with it. Raises :class:`UsageError` if the
    configurations differ, so that a folder never mixes two configurations. ``plan.json`` also stores the paths of the photographs
    and of the recipe's files, for ``blurkit verify --recompute``. The paths may differ."""
    with locked(folder / ".lock-plan", wait=True):  # slices that start at the same time get one plan
        require_own(folder, [PLAN])
        stored = read_plan(folder)
        if stored is None:
            refuse_other_files(folder)
            files = {key: os.path.abspath(path) for key, path in plan.settings.recipe.files().items()}
            roots = {name: os.path.abspath(root) for name, root in plan.source.places().items()}
            places = {"roots": roots, "files": files}
            # In ASCII: a path may contain bytes that are not UTF-8, and JSON's escapes keep them.
            text = json.dumps({"configuration": plan.configuration, **places}, indent=1)
            write_atomic(folder / PLAN, text.encode())
            return
    theirs, ours = flatten(stored["configuration"]), flatten(plan.configuration)
    keys = sorted((theirs.keys() | ours.keys()) - _FREE_KEYS)
    differing = [key for key in keys if theirs.get(key) != ours.get(key)]
    if differing:
        require_own(folder, [PLAN])  # advice to overwrite is for a folder of ours
        lines, needs = [], []
        for key in differing:
            explanation, need = next(_DIFFERENCES[start] for start in _DIFFERENCES if key.startswith(start))
            lines.append(f"  {key}: {theirs.get(key, 'absent')} there, {ours.get(key, 'absent')} now{explanation}\n")
            needs += [need] if need not in needs else []
        if len(lines) > _LISTED + 1:
            lines[_LISTED:] = [f"  and {len(lines) - _LISTED} more\n"]
        raise UsageError(
            f"{folder} was begun with another configuration and was not changed:\n{''.join(lines)}finish it with "
            f"{' and '.join(needs)}, choose another --out, or start again with --overwrite"
        )


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Converts nested dictionaries to one dictionary with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _configuration(source: Source, settings: Settings, records: RecordTable, choice: Mapping[str, Any]) -> dict[str, Any]:
    digest, counts = hashlib.sha256(), collections.Counter[str]()
    for name, image_id in records.names():
        digest.update(f"{name}/{image_id}\0".encode())
        counts[name] += 1
    for focal in records.focals():  # they change pixels
        digest.update(repr(focal).encode())
    packages = {name: version(name) for name in _PACKAGES}
    values = {name: value for name, value in vars(settings).items() if name != "recipe"} | {"size": size_text(settings.size)}
    if settings.store == "pairs":
        del values["store"]  # folders that were begun before there was another store continue
    return {
        "source": source.name,
        **choice,
        "images": len(records),
        "images_of": {name: counts[name] for name in source.places()},
        "images_digest": digest.hexdigest(),
        **values,
        "recipe": tomllib.loads(settings.recipe.portable_toml()),
        "versions": {"blurkit": __version__, "code": source_digest()[:16], "opencv": cv2.__version__, **packages},
        "machine": dict(machine_kind()),
    }


def _sizes(records: RecordTable, settings: Settings, truth: int) -> Iterator[int]:
    """Yields the approximate size in a shard of the samples of each photograph, without the masks of objects."""
    sizes = itertools.repeat(settings.size, len(records)) if settings.size else map(partial(_full_size, settings), records)
    by_depth = any(part.defocus is not None and part.defocus.depth for part in settings.recipe.parts)
    radii = (4 * bool(record.disparity) for record in records) if by_depth else itertools.repeat(0)
    pixels, stored = zip(sizes, radii, strict=False), 3 + 3 * np.dtype(STORES[settings.store] or "V0").itemsize
    return (settings.per_image * ((stored + radius) * height * width + truth) for (height, width), radius in pixels)


def _full_size(settings: Settings, record: ImageRecord) -> tuple[int, int]:
    try:
        height, width = record.size()
    except BadImageError:  # decoding fails too, and then adds a line to the ledger
        return 0, 0
    return height // settings.downscale, width // settings.downscale
