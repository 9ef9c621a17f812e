"""From records to shards: what is to be made, what is done, and whether a folder may be continued."""

from __future__ import annotations

import collections
import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2

from blurkit import __version__
from blurkit.errors import BadImageError, UsageError
from blurkit.jit import source_digest
from blurkit.pair.draw import truth_bytes
from blurkit.pipeline.settings import Settings, size_text
from blurkit.pipeline.task import ShardTask
from blurkit.program.checks import require
from blurkit.program.files import locked, write_atomic
from blurkit.shard.format import CONVENTIONS, FORMAT_NAME, FORMAT_VERSION
from blurkit.shard.index import PLAN, is_dataset_file, read_record
from blurkit.shard.ledger import Failure, failures_of
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.table import RecordTable

#: About what the columns of a sample take beside its pixels, its kernel and its path.
_COLUMN_BYTES = 1000

#: What a recipe says of itself, and how the photographs were asked for: what became of that, their list, has a digest.
_WORDS = {"recipe.name", "recipe.summary", "recipe.provenance", "shares", "limit", "weight"}

#: By how a key begins: what it means that its value differs, where the key does not say so, and what to finish the folder with.
_MEANINGS = {
    "images_digest": ("other photographs than when the folder was begun, or other names of them", "the same photographs"),
    "images": ("", "the same photographs"),
    "recipe.files.": ("this file, which the recipe names, has other contents", "the same files"),
    "versions.code": ("blurkit's own code that decides pixels has changed since the folder was begun", "that version of blurkit"),
    "versions.blurkit": ("", "that version of blurkit"),
    "versions.": ("another version of this package may change a pixel", "those versions of the packages"),
    "": ("", "the same values"),
}

#: Packages whose versions can change a pixel.
_PACKAGES = ("numpy", "scipy", "numba", "h5py")


@dataclass(frozen=True)
class Plan:
    """``shards``: (first, last + 1) positions of each shard's records. ``bytes``: about what the shards will take."""

    source: Source
    settings: Settings
    records: RecordTable
    shards: list[tuple[int, int]]
    bytes: int
    configuration: dict[str, Any]

    @property
    def pairs(self) -> int:
        """Samples that are made if every photograph can be used."""
        return len(self.records) * self.settings.per_image

    def tasks(self, folder: Path, numbers: Iterable[int]) -> Iterator[ShardTask]:
        """The work of making these shards in a folder."""
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
        """Numbers of the shards that are not complete, and with ``retry_failed`` of those that had failures."""
        records = ((number, read_record(folder, number)) for number in range(len(self.shards)))
        return [
            number
            for number, record in records
            if record is None or (retry_failed and any(failure.is_failure for failure in failures_of([record])))
        ]

    def passed_over(self) -> list[Failure]:
        """Entries of the source that were never opened, as lines of the ledger; no sample was planned for them."""
        passed = self.source.passed_over
        return [Failure(entry.id, path_id(entry.path), "source", entry.reason, entry.message, 0) for entry in passed]

    def notices(self) -> list[str]:
        """What of the recipe the source cannot give, as far as its first photographs tell."""
        parts, first = self.settings.recipe.parts, list(_first(self.records))
        lacks = []
        if any(part.objects for part in parts) and not any(record.annotation for record in first):
            lacks.append(f"{self.source.name} has no outlined objects: where the recipe moves objects, the camera alone moves")
        if any(part.frames for part in parts) and not any(record.clip for record in first):
            lacks.append(f"{self.source.name} has single photographs: where the recipe averages frames, no pair is made")
        return lacks


def make_plan(source: Source, settings: Settings, *, choice: Mapping[str, Any] = MappingProxyType({})) -> Plan:
    """Group the photographs of a source into shards of about ``settings.shard_bytes``.

    ``choice``: how the photographs were chosen, for the configuration: a folder made by another choice is not continued.
    """
    records = RecordTable.of(source.records)
    require(len(records) > 0, f"nothing to do: the source {source.name} has no photograph")
    recipe = settings.recipe
    if all(part.frames for part in recipe.parts) and not any(record.clip for record in _first(records)):
        raise UsageError(f"recipe {recipe.name!r} averages frames, and {source.name} has single photographs; take --src video")
    truth = truth_bytes(recipe, settings.size) + _COLUMN_BYTES
    shards, first, filled, total = [], 0, 0, 0
    for position, size in enumerate(_sizes(records, settings, truth)):
        if position > first and filled + size > settings.shard_bytes:
            shards.append((first, position))
            first, filled = position, 0
        filled += size
        total += size
    shards.append((first, len(records)))
    return Plan(source, settings, records, shards, total, _configuration(source, settings, records, choice))


def _first(records: RecordTable) -> Iterator[ImageRecord]:
    return itertools.islice(records, 1000)


def check_or_write_plan(folder: Path, plan: Plan) -> None:
    """Write the folder's ``plan.json``, or hold this plan against it and refuse to mix two configurations in one folder.

    Where the photographs and the recipe's files lie is remembered for ``blurkit verify --recompute``, and may change.
    """
    with locked(folder / ".lock-plan", wait=True):  # slices that start together agree on one plan
        found = read_plan(folder)
        if found is None:
            refuse_foreign_files(folder)
            files = {key: os.path.abspath(path) for key, path in plan.settings.recipe.files().items()}
            roots = {name: os.path.abspath(root) for name, root in plan.source.places().items()}
            places = {"roots": roots, "files": files}
            # In ASCII: a path may hold bytes that are no UTF-8, which come back from their escapes.
            text = json.dumps({"configuration": plan.configuration, **places}, indent=1)
            write_atomic(folder / PLAN, text.encode())
            return
    theirs, ours = flatten(found["configuration"]), flatten(plan.configuration)
    keys = sorted((theirs.keys() | ours.keys()) - _WORDS)
    differing = [key for key in keys if theirs.get(key) != ours.get(key)]
    if differing:
        told = {key: next(words for start, words in _MEANINGS.items() if key.startswith(start)) for key in differing}
        lines = [
            f"  {key}: {theirs.get(key, 'absent')} there, {ours.get(key, 'absent')} now{': ' * bool(meaning)}{meaning}"
            for key, (meaning, _) in told.items()
        ]
        if len(lines) > 12:
            lines[11:] = [f"  and {len(lines) - 11} more"]
        again = " and ".join(dict.fromkeys(remedy for _, remedy in told.values()))
        raise UsageError(
            f"{folder} was begun with another configuration and is left as it is:\n" + "\n".join(lines) + "\n"
            f"finish it with {again}, choose another --out, or start afresh with --overwrite"
        )


def refuse_foreign_files(folder: Path) -> None:
    """Raise :class:`UsageError` where files that are named like a dataset's lie in a folder that blurkit did not begin."""
    strangers = [] if (folder / PLAN).exists() else [path.name for path in folder.iterdir() if is_dataset_file(path.name)]
    if strangers:
        raise UsageError(f"{folder} holds {min(strangers)} but no {PLAN}: it is no dataset of blurkit's; choose another --out")


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The folder's ``plan.json``, or ``None`` where there is none."""
    try:
        plan = json.loads((folder / PLAN).read_bytes())
        plan["configuration"], plan["roots"], plan["files"]
        return dict(plan)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / PLAN} is damaged ({error}); start afresh with --overwrite, or choose another --out"
        ) from error


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _configuration(source: Source, settings: Settings, records: RecordTable, choice: Mapping[str, Any]) -> dict[str, Any]:
    digest, counts = hashlib.sha256(), collections.Counter[str]()
    for name, image_id in records.names():
        digest.update(f"{name}/{image_id}\0".encode())
        counts[name] += 1
    packages = {name: version(name) for name in _PACKAGES}
    values = {name: value for name, value in vars(settings).items() if name != "recipe"} | {"size": size_text(settings.size)}
    return {
        "source": source.name,
        **choice,
        "images": len(records),
        "images_of": {name: counts[name] for name in source.places()},
        "images_digest": digest.hexdigest(),
        **values,
        "recipe": tomllib.loads(settings.recipe.portable_toml()),
        "versions": {"blurkit": __version__, "code": source_digest()[:16], "opencv": cv2.__version__, **packages},
    }


def _sizes(records: RecordTable, settings: Settings, truth: int) -> Iterator[int]:
    """About what the samples of each photograph take in a shard, without the masks of objects."""
    sizes = itertools.repeat(settings.size, len(records)) if settings.size else map(partial(_full_size, settings), records)
    by_depth = any(part.defocus is not None and part.defocus.depth for part in settings.recipe.parts)
    radii = (4 * bool(record.disparity) for record in records) if by_depth else itertools.repeat(0)
    pixels = zip(sizes, radii, strict=False)
    return (settings.per_image * ((6 + radius) * height * width + truth) for (height, width), radius in pixels)


def _full_size(settings: Settings, record: ImageRecord) -> tuple[int, int]:
    try:
        height, width = record.size()
    except BadImageError:  # it fails again, with a line of the ledger, when it is decoded
        return 0, 0
    return height // settings.downscale, width // settings.downscale
