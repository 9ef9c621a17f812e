"""The JSON files of a dataset: plan, completion records and index. A stranger can write them, so reading checks them.

``00042.json`` is the completion record of ``00042.h5``: {file, samples, bytes, sha256, digest, failures}. The index
``dataset.json`` holds all records, the configuration and the digest of the dataset. It is written when every shard is complete.
Its entry ``files`` has the sha256 of the plan and of the ledger, and ``check`` that of all other entries.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blurkit.errors import CorruptShardError, UnreadableFileError, UsageError
from blurkit.program.documents import check_entries, read_document
from blurkit.shard.format import digest_text
from blurkit.shard.ledger import Failure

INDEX = "dataset.json"
PLAN = "plan.json"
LEDGER = "ledger.jsonl"

#: The files that describe a complete dataset. A user can have own files with these names; they are not changed.
CARD, EXAMPLES, CROISSANT = "README.md", "examples.jpg", "croissant.json"

#: The approximate size of a shard in bytes.
DEFAULT_SHARD_BYTES = 128 << 20

#: The entries of an index, with their types. Those that are not required are missing in the datasets of other programs.
_REQUIRED = {"shards": list}
_OPTIONAL: dict[str, Any] = {
    **{"format": str, "version": int, "digest": str, "samples": int, "bytes": int, "failed": int, "skipped": int},
    **{"configuration": dict, "recipe": str, "files": dict, "check": str},
}
_RECORD: dict[str, Any] = {"file": str | None, "samples": int, "bytes": int, "sha256": str | None, "digest": str}
_FAILURE: dict[str, Any] = {**dict.fromkeys(("id", "path", "stage", "reason", "message"), str), "items": int}

_SHARD_NAME = re.compile(r"\d{5,12}\.h5")
_RECORD_NAME = re.compile(r"\d{5,12}\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: A count of samples or bytes is smaller than this.
_MOST = 2**53


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"{number:05d}.h5"


def shard_number(name: str) -> int | None:
    """The number of a shard from its file name. ``None`` if this is not the name of a shard."""
    return int(name.removesuffix(".h5")) if _SHARD_NAME.fullmatch(name) else None


def record_path(folder: Path, number: int) -> Path:
    """The path of a shard's completion record."""
    return folder / f"{number:05d}.json"


def is_dataset_file(name: str) -> bool:
    """Whether ``name`` is a file name of a dataset."""
    return name in (INDEX, LEDGER, PLAN) or bool(_SHARD_NAME.fullmatch(name) or _RECORD_NAME.fullmatch(name))


def is_written(name: str) -> bool:
    """Whether a run writes files with this name: files of a dataset, and files that describe it (a user can have these too)."""
    return is_dataset_file(name) or name in (CARD, EXAMPLES, CROISSANT)


def total_digest(records: list[dict[str, Any]]) -> str:
    """The digest of a dataset: the sum of the digests of its samples. It depends only on the samples."""
    return digest_text(sum(int(record["digest"], 16) for record in records))


def read_index(folder: Path) -> dict[str, Any] | None:
    """The content of ``dataset.json``. Returns ``None`` if it is missing. Raises :class:`CorruptShardError` if it is damaged."""
    path = folder / INDEX
    try:
        index = read_document(path)
        _check_index(index)
        return index
    except UnreadableFileError as error:
        if error.reason == "missing":
            return None
        advice = "Delete it and run the same `blurkit generate` again."
        raise CorruptShardError(f"{path} is damaged or no index: {error} {advice}") from error


def read_record(folder: Path, number: int) -> dict[str, Any] | None:
    """The completion record of a shard. Returns ``None`` if it is missing or not valid, or if the shard has another size."""
    try:
        record = load_record(folder, number)
        file = record["file"]
        there = file is None or (folder / file).lstat().st_size == record["bytes"]
        return record if there else None
    except (OSError, UnreadableFileError):
        return None


def load_record(folder: Path, number: int) -> dict[str, Any]:
    """The completion record of a shard, whether the shard is there or not. Raises :class:`UnreadableFileError`."""
    record = read_document(record_path(folder, number))
    _check_record(record)
    if record["file"] not in (None, shard_name(number)):
        raise UnreadableFileError("damaged", f"It is the record of {record['file']}.")
    check_entries(record, {"failures": list})
    for place, failure in enumerate(record["failures"]):
        check_failure(failure, f"failures[{place}].")
    return record


def check_failure(failure: Any, prefix: str = "") -> Failure:
    """The failure that is described by a line of the ledger. Raises :class:`UnreadableFileError` ``damaged``."""
    if not isinstance(failure, dict) or failure.keys() - _FAILURE:
        raise UnreadableFileError("damaged", f"{prefix or 'The line '}is not a failure, but {failure!r:.60}.")
    check_entries(failure, _FAILURE, prefix)
    if not 0 <= failure["items"] < _MOST:
        raise UnreadableFileError("damaged", f"{prefix}items is {failure['items']}.")
    return Failure(**failure)


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The content of ``plan.json``: ``configuration``, ``roots`` and ``files``. Returns ``None`` if the file does not exist.
    Raises :class:`UsageError` if it is damaged."""
    path = folder / PLAN
    try:
        plan = read_document(path)
        check_entries(plan, {"configuration": dict, "roots": dict, "files": dict})
        for key in ("roots", "files"):
            check_entries(plan[key], dict.fromkeys(plan[key], str), f"{key}.")
        _check_configuration(plan["configuration"])
        return plan
    except UnreadableFileError as error:
        if error.reason == "missing":
            return None
        raise UsageError(
            f"{path} is damaged or no plan: {error} Start again with --overwrite, or choose another --out."
        ) from error


def sealed(index: Mapping[str, Any]) -> dict[str, Any]:
    """The index with its entry ``check``, the last one: the sha256 of all other entries."""
    rest = {key: value for key, value in index.items() if key != "check"}
    return {**rest, "check": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


def unknown_entries(index: Mapping[str, Any]) -> list[str]:
    """The keys of an index that this version of blurkit does not write."""
    return [key for key in index if key not in _OPTIONAL and key not in _REQUIRED]


def _check_index(index: dict[str, Any]) -> None:
    check_entries(index, _REQUIRED)
    check_entries(index, {key: kind for key, kind in _OPTIONAL.items() if key in index})
    if index.get("format", "blurkit-dataset") != "blurkit-dataset" or index.get("version", 1) != 1:
        raise UnreadableFileError("damaged", f"It has the format {index.get('format')!r:.60}, version {index.get('version')}.")
    _check_digest(index.get("digest", "0" * 64), "digest")
    _check_configuration(index.get("configuration", {}))
    for key in ("samples", "bytes", "failed", "skipped"):
        if not 0 <= index.get(key, 0) < _MOST:
            raise UnreadableFileError("damaged", f"{key} is {index[key]}.")
    names = set()
    for place, record in enumerate(index["shards"]):
        prefix = f"shards[{place}]."
        if not isinstance(record, dict):
            raise UnreadableFileError("damaged", f"{prefix} is no record, but {record!r:.60}.")
        _check_record(record, prefix)
        if record["file"] in names:
            raise UnreadableFileError("damaged", f"{record['file']} is listed twice.")
        names |= {record["file"]} - {None}


def _check_record(record: dict[str, Any], prefix: str = "") -> None:
    check_entries(record, _RECORD, prefix)
    file, samples, size = record["file"], record["samples"], record["bytes"]
    if file is not None and not _SHARD_NAME.fullmatch(file):
        raise UnreadableFileError("damaged", f"{prefix}file is {file!r:.60}, which is not the name of a shard.")
    if not (0 < samples < _MOST and 0 < size < _MOST if file is not None else samples == size == 0):
        raise UnreadableFileError("damaged", f"{prefix}samples is {samples} and {prefix}bytes is {size}.")
    if file is not None:
        _check_digest(record["sha256"], f"{prefix}sha256")
    _check_digest(record["digest"], f"{prefix}digest")


def _check_digest(value: str | None, key: str) -> None:
    if value is None or not _DIGEST.fullmatch(value):
        raise UnreadableFileError("damaged", f"{key} should be 64 hexadecimal digits, and is {value!r:.80}.")


def _check_configuration(configuration: dict[str, Any]) -> None:
    """Check the entries that blurkit reads again. Other programs may write datasets without them."""
    kinds = {"recipe": dict, "size": str, "seed": int, "per_image": int, "images": int, "shard_bytes": int, "downscale": int}
    kinds |= {"min_sharpness": float, "masks": bool, "annotations": str, "images_of": dict, "versions": dict}
    check_entries(configuration, {key: kind for key, kind in kinds.items() if key in configuration}, "configuration.")
    recipe = configuration.get("recipe", {})
    check_entries(recipe, {key: str for key in ("name",) if key in recipe}, "configuration.recipe.")
