"""What a resumed export relies on: the plan of the export, a record of each part that is written, and final names that only
what is finished gets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from blurkit.errors import UnreadableFileError, UsageError
from blurkit.export.exporter import Job, Part, Row
from blurkit.program.documents import check_entries, read_document
from blurkit.program.files import make_folder, sync_folder, write_atomic
from blurkit.program.lenient import naming

_PLAN = "plan.json"
_FORMAT = "blurkit-export"
_VERSION = 1


def plan_of(job: Job, to: str) -> dict[str, Any]:
    """What an export is. Two exports with equal plans write equal pairs."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "to": to,
        "split": job.split,
        "truth": job.truth,
        "dataset": job.digest,
        "recipe": job.dataset.shard(0).attributes.get("recipe_digest", ""),
        "pairs": len(job.dataset),
        "parts": [len(part.indices) for part in job.parts],
    }


def check_or_write_plan(job: Job, plan: dict[str, Any], outputs: list[Path]) -> None:
    """Begin or continue an export. Raises :class:`UsageError` if the folder holds another one, or files of somebody else."""
    path = job.state / _PLAN
    try:
        stored = read_document(path)
    except UnreadableFileError as error:
        if error.reason != "missing":
            raise UsageError(f"{path} is damaged or no plan of an export: {error} Choose another -o") from error
        for output in outputs:
            require_absent(output)
        write_atomic(path, json.dumps(plan, indent=1).encode())
        return
    differing = [key for key in plan if stored.get(key) != plan[key]]
    if differing:
        lines = [f"  {key}: {stored.get(key, 'absent')!s:.80} there, {plan[key]!s:.80} now\n" for key in differing]
        raise UsageError(
            f"{job.out} holds another export of the split {job.split!r} and was not changed:\n{''.join(lines)}"
            "choose another -o or --split"
        )


def make_state(job: Job) -> None:
    """Make the folders of an export."""
    make_folder(job.out)
    if job.state.is_symlink():
        raise UsageError(f"{job.state} is a symbolic link, and nothing is written through it: remove the link")
    make_folder(job.state)


def read_part(job: Job, part: Part) -> dict[str, Any] | None:
    """The record of a part: ``bytes``, and ``rows``, a row of the table for each pair. ``None`` if there is none."""
    try:
        record = read_document(_record(job, part))
        check_entries(record, {"bytes": int, "rows": list})
        return record if len(record["rows"]) == len(part.indices) else None
    except UnreadableFileError:
        return None


def write_part(job: Job, part: Part, size: int, rows: list[Row]) -> None:
    """Record a part that is written and not yet committed."""
    write_atomic(_record(job, part), json.dumps({"bytes": size, "rows": rows}).encode())


def move(temporary: Path, final: Path) -> None:
    """Give a finished file or folder its final name. Raises :class:`UsageError` if there is something already."""
    require_absent(final)
    with naming("rename", final):
        os.rename(temporary, final)
    sync_folder(final.parent)


def require_absent(path: Path) -> None:
    """Raise :class:`UsageError` if a path exists that only this export may write."""
    if os.path.lexists(path):
        raise UsageError(
            f"{path} is there already, and no record says that this export wrote it, so it is not replaced: move it away, or "
            "choose another -o or --split"
        )


def _record(job: Job, part: Part) -> Path:
    return job.state / f"{part.number:05d}.json"
