"""``blurkit verify``: checks that no byte of a dataset has changed, and if asked, that its samples can be made again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from blurkit.errors import FAILED, OK, CorruptShardError, UnreadableFileError, UsageError
from blurkit.pipeline.audit import audit, notices
from blurkit.program.files import TEMPORARY, is_temporary, open_regular
from blurkit.program.picks import evenly_spaced
from blurkit.program.progress import plural
from blurkit.program.workers import available_cpus
from blurkit.shard.documents import INDEX, is_written, shard_number
from blurkit.shard.format import digest_text
from blurkit.shard.index import Dataset, open_dataset
from blurkit.shard.reader import Shard


@dataclass(frozen=True)
class Problem:
    """``shard``: a file name. ``sample``: its name, empty if the problem is of the whole file. ``problem``: a sentence."""

    shard: str
    sample: str
    problem: str


def verify(
    path: str, *, recompute: str | None, roots: Sequence[str], files: Sequence[str], annotations: str | None, as_json: bool
) -> int:
    """Check structure, checksums and counts. With ``recompute``, also make samples again and compare. Returns the exit code."""
    dataset = open_dataset(path, partial=True)
    problems, total = _check_folder(dataset), 0
    # A thread that hashes whole files needs no interpreter's lock, so it does not hold up one that checks samples beside it.
    with ThreadPoolExecutor(available_cpus()) as pool:
        checks = []
        for file in dataset.files:
            whole = pool.submit(_whole_file, dataset.folder / file, follow_links=not dataset.index)
            checks.append(pool.submit(_check_shard, dataset, file, whole))
        for check in checks:
            added, digest = check.result()
            problems += added
            total += digest
    if dataset.digest and not problems and digest_text(total) != dataset.digest:
        problems.append(Problem(INDEX, "", "its digest does not match the digests of the samples"))
    noticed: list[str] = []
    if dataset.digest:
        problems += [Problem(file, "", problem) for file, problem in audit(dataset.folder, dataset.index)]
        wrong, noticed = notices(dataset.folder, dataset.index)
        problems += [Problem(file, "", problem) for file, problem in wrong]
    remade = 0
    if recompute:
        from blurkit.pipeline.remake import remake

        numbers = _share(recompute, len(dataset))
        remade = len(numbers)
        problems += [Problem(*problem) for problem in remake(dataset, numbers, roots, files, annotations)]
    _print(dataset, problems, noticed, remade, as_json)
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


def _check_shard(dataset: Dataset, file: str, whole: Future[tuple[int, str]]) -> tuple[list[Problem], int]:
    """The problems of one shard, and the sum of the digests of its samples. ``whole``: the result of :func:`_whole_file`."""
    record = dataset.record(file)
    problems, total = _check_content(dataset, file)
    try:
        size, sha256 = whole.result()
    except UnreadableFileError as error:
        if error.reason == "missing":
            return [Problem(file, "", "missing; run the same `blurkit generate` again")], 0
        return [Problem(file, "", str(error)), *problems], total  # parts of it were perhaps readable
    if record and (size, sha256) != (record["bytes"], record["sha256"]) and not problems:
        problems.append(Problem(file, "", "its sha256 does not match its record: bytes outside of the samples have changed"))
    return problems, total


def _check_content(dataset: Dataset, file: str) -> tuple[list[Problem], int]:
    """The problems of a shard that its own checksums show, and the sum of the digests of its sound samples."""
    try:
        shard = Shard(dataset.folder / file, follow_links=not dataset.index)
    except CorruptShardError as error:
        return [Problem(file, "", str(error))], 0
    damaged, total = _check_samples(shard, file)
    return [*(Problem(file, "", problem) for problem in _differences(dataset, shard, file)), *damaged], total


def _check_samples(shard: Shard, file: str) -> tuple[list[Problem], int]:
    """The damaged samples of a shard, and the sum of the digests of the others."""
    problems, total = [], 0
    try:
        shard.hold_columns()
    except CorruptShardError as error:
        return [Problem(file, "", str(error))], 0
    for index in range(len(shard)):
        name = f"sample {index}"
        try:
            name = shard.name(index)
            total += shard.digest(index)
            shard.verify(index)
        except CorruptShardError as error:
            problems.append(Problem(file, name, str(error)))
    return problems, total


def _whole_file(path: Path, *, follow_links: bool) -> tuple[int, str]:
    """The size and the sha256 of a file. Raises :class:`UnreadableFileError`."""
    with open_regular(path, follow_links=follow_links) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return os.fstat(descriptor).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _differences(dataset: Dataset, shard: Shard, file: str) -> Iterator[str]:
    """What a shard says of itself that its record or the index says differently."""
    record, number = dataset.record(file), shard_number(file)
    if record and len(shard) != record["samples"]:
        yield f"has {len(shard)} samples, but its record says {record['samples']}"
    if record and shard.attributes.get("shard", number) != number:
        yield f"is a copy of shard {shard.attributes['shard']}"
    recipe = dataset.index.get("recipe", "")
    if recipe and shard.attributes.get("recipe_digest", recipe) != recipe:
        yield f"was made with another recipe than {INDEX} says"


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


def _print(dataset: Dataset, problems: list[Problem], noticed: list[str], remade: int, as_json: bool) -> None:
    if as_json:
        numbers = {"samples": len(dataset), "shards": len(dataset.files), "recomputed": remade, "digest": dataset.digest}
        listed = [asdict(problem) for problem in problems]
        print(json.dumps({**numbers, "problems": listed, "notices": noticed}, ensure_ascii=False))
        return
    for notice in noticed:
        print(notice)
    for problem in problems:
        print(f"{problem.shard} {problem.sample}: {problem.problem}" if problem.sample else f"{problem.shard}: {problem.problem}")
    what = f"{dataset.folder}: {plural(len(dataset), 'sample')} in {plural(len(dataset.files), 'shard')}"
    again = f", {remade} made again and equal" if remade else ""
    print(f"{what}, {plural(len(problems), 'problem')}" if problems else f"{what}{again}, no problems")
