"""``blurkit verify``: checks that no byte of a dataset has changed, and if asked, that its samples can be made again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blurkit.errors import FAILED, OK, CorruptShardError, UsageError
from blurkit.pipeline.engine import available_cpus
from blurkit.program.files import TEMPORARY, is_temporary
from blurkit.program.picks import evenly_spaced
from blurkit.program.progress import plural
from blurkit.shard.format import digest_text
from blurkit.shard.index import INDEX, Dataset, is_written, open_dataset
from blurkit.shard.reader import Shard


@dataclass(frozen=True)
class Problem:
    """``shard``: a file name. ``sample``: its name, empty if the problem is of the whole file. ``problem``: a sentence."""

    shard: str
    sample: str
    problem: str


def verify(path: str, *, recompute: str | None, roots: Sequence[str], as_json: bool) -> int:
    """Check structure, checksums and counts. With ``recompute``, also make samples again and compare. Returns the exit code."""
    dataset = open_dataset(path, partial=True)
    problems, total = _check_folder(dataset), 0
    records = {record["file"]: record for record in dataset.index.get("shards", [])}
    with ThreadPoolExecutor(available_cpus()) as pool:  # checksums are computed without the interpreter's lock
        for added, digest in pool.map(lambda file: _check_shard(dataset.folder / file, records.get(file, {})), dataset.files):
            problems += added
            total += digest
    if dataset.digest and not problems and digest_text(total) != dataset.digest:
        problems.append(Problem(INDEX, "", "its digest does not match the digests of the samples"))
    remade = 0
    if recompute:
        from blurkit.pipeline.remake import remake

        numbers = _share(recompute, len(dataset))
        remade = len(numbers)
        problems += [Problem(*problem) for problem in remake(dataset, numbers, roots)]
    _print(dataset, problems, remade, as_json)
    return FAILED if problems else OK


def _check_folder(dataset: Dataset) -> list[Problem]:
    """Problems of the folder: an incomplete dataset, shards that do not belong to it, and temporary files."""
    if not dataset.index:
        return []
    problems = []
    if not dataset.digest:
        problems.append(Problem(INDEX, "", "the dataset is not complete; run the same `blurkit generate` again to resume"))
    foreign = sorted(file.name for file in dataset.folder.glob("*.h5") if file.name not in dataset.files)
    problems += [Problem(name, "", "not part of the dataset: it has no completion record") for name in foreign]
    temporary = sorted(file.name for file in dataset.folder.glob("*" + TEMPORARY) if is_temporary(file.name, is_written))
    notice = "temporary file of a killed run; the next `blurkit generate` removes it"
    return problems + [Problem(name, "", notice) for name in temporary]


def _check_shard(path: Path, record: dict[str, Any]) -> tuple[list[Problem], int]:
    """The problems of one shard, and the sum of the digests of its samples."""
    problems: list[Problem] = []
    try:
        with open(path, "rb") as file:
            size, sha256 = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
        shard = Shard(path)
    except FileNotFoundError:
        return [Problem(path.name, "", "missing; run the same `blurkit generate` again")], 0
    except CorruptShardError as error:
        return [Problem(path.name, "", str(error))], 0
    if record and len(shard) != record["samples"]:
        problems.append(Problem(path.name, "", f"has {len(shard)} samples, but its record says {record['samples']}"))
    total = 0
    for index in range(len(shard)):
        try:
            shard.verify(index)
        except CorruptShardError as error:
            problems.append(Problem(path.name, shard.name(index), str(error)))
        total += shard.digest(index)
    if record and (size, sha256) != (record["bytes"], record["sha256"]) and not problems:
        problems.append(Problem(path.name, "", "its sha256 does not match its record: bytes outside of the samples have changed"))
    return problems, total


def _share(text: str, total: int) -> list[int]:
    """The numbers of an evenly spaced share of the samples, at least one. ``text``: such as ``1%``."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise UsageError(f"--recompute takes a share of the samples such as 1% or 100%, got {text!r}")
    count = max(round(total * percent / 100), 1)
    return list(evenly_spaced(total, count)) if total else []


def _print(dataset: Dataset, problems: list[Problem], remade: int, as_json: bool) -> None:
    if as_json:
        numbers = {"samples": len(dataset), "shards": len(dataset.files), "recomputed": remade, "digest": dataset.digest}
        print(json.dumps({**numbers, "problems": [asdict(problem) for problem in problems]}, ensure_ascii=False))
        return
    for problem in problems:
        print(f"{problem.shard} {problem.sample}: {problem.problem}" if problem.sample else f"{problem.shard}: {problem.problem}")
    what = f"{dataset.folder}: {plural(len(dataset), 'sample')} in {plural(len(dataset.files), 'shard')}"
    again = f", {remade} made again and equal" if remade else ""
    print(f"{what}, {plural(len(problems), 'problem')}" if problems else f"{what}{again}, no problems")
