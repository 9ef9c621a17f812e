"""The files beside an export that describe it: a table of its pairs, its facts as JSON, and a page about use and licences."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from blurkit.export.exporter import Job, Row
from blurkit.export.state import read_part
from blurkit.program.files import replacing, write_all, write_atomic
from blurkit.program.origin import Recognise, require_replaceable
from blurkit.program.progress import plural
from blurkit.report.card.markdown import fenced
from blurkit.report.card.rights import rights
from blurkit.shard.format import CONVENTIONS, Sample, parameters
from blurkit.sources.known.manifest import load_manifest
from blurkit.sources.licence import licence_address

_TITLE = "# Pairs exported by blurkit"


def row_of(name: str, place: Row, sample: Sample) -> Row:
    """The row of a pair: where it is, whose photograph it shows, and what was drawn for it.

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


def card_files(job: Job) -> dict[Path, Recognise]:
    """The table, the facts and the page, and how each is known by its opening."""
    openings = {".jsonl": b'{"name": "0', ".json": b'{\n "format": "blurkit-export"', ".md": _TITLE.encode()}
    return {job.out / f"{job.split}{suffix}": _begins(opening) for suffix, opening in openings.items()}


def pairs_by_licence(job: Job) -> dict[str, int]:
    """The number of pairs under each licence, the most frequent first. The key of an unknown licence is empty."""
    counts = collections.Counter(row["licence"] for row in _rows(job))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_card(job: Job, plan: dict[str, Any], reading: str, licences: Mapping[str, int]) -> None:
    """Describe a complete export. ``licences``: the number of pairs under each."""
    files = card_files(job)
    require_replaceable(files, "the pairs are complete: move {them} away and run the same command again")
    table, facts, page = files
    with replacing(table) as descriptor:
        for row in _rows(job):
            write_all(descriptor, json.dumps(row, ensure_ascii=False).encode() + b"\n")
    recipe = job.dataset.index.get("configuration", {}).get("recipe", {})
    known = {**plan, "licences": licences, "recipe": recipe, "conventions": CONVENTIONS}
    write_atomic(facts, json.dumps(known, indent=1, ensure_ascii=False).encode() + b"\n")
    read = reading.format(out=".", split=job.split)
    paragraphs = [
        _TITLE,
        f"{plural(len(job.dataset), 'pair')} of a sharp photograph and a blurred copy, in the form {plan['to']}. "
        f"`{table.name}` has a line for each pair: where it is, its photograph, its licence, and what was drawn for it. "
        f"`{facts.name}` has the recipe and the conventions of the data.",
        "Read it from this folder:",
        fenced("python", read),
        "## Licences",
        *rights(licences),
    ]
    write_atomic(page, ("\n\n".join(paragraphs) + "\n").encode())


def _rows(job: Job) -> Iterator[Row]:
    for part in job.parts:
        record = read_part(job, part)
        assert record is not None, "every part was recorded before"
        yield from record["rows"]


def _begins(opening: bytes) -> Recognise:
    return lambda data: data.startswith(opening)


def _is_uniform(sample: Sample) -> bool | None:
    if not sample.kernel.size:
        return None
    return sample.nodes is None and sample.radius is None and not len(sample.moves)


@functools.cache
def _credits() -> dict[str, str]:
    """Returns the id of each packaged photograph with its author and address. For other photographs neither is stored."""
    rows = load_manifest("sample").photographs
    return {Path(row["file"]).stem: f"{row['title']}, {row['author']}, {row['origin']}" for row in rows}
