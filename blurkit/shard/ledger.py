"""The ledger: a line for each photograph that was left out, or was used without some of its truth."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blurkit.errors import UnreadableFileError
from blurkit.program.files import read_regular

#: Reasons to skip a sample that has no fault. All other reasons count against ``--max-bad``.
SKIPS = frozenset(("too_small", "not_sharp", "too_few_frames", "own_picture", "not_registered", "misregistered"))

#: Reasons at the stage ``source`` that stand for photographs that are lost. Nobody can tell how many, so an entry counts as one.
_LOST = frozenset(("unreadable", "damaged", "corrupt", "truncated", "empty", "not_a_video", "unsupported", "too_large"))

#: A larger ledger is not read. A million lines have about 200 MB.
_MOST_BYTES = 1 << 30

#: The stage of each reason. Reasons that are not listed belong to the stage ``decode``.
_STAGES = {
    "worker_died": "process",
    "too_small": "crop",
    "not_sharp": "crop",
    "not_registered": "registration",
    "misregistered": "registration",
    "bad_annotation": "masks",
    "size_mismatch": "masks",
    "bad_disparity": "disparity",
    "too_few_frames": "frames",
    "frame_size": "frames",
}


@dataclass(frozen=True)
class Failure:
    """A line of the ledger. ``id``, ``path``: the photograph. ``stage``: where the problem appeared. ``reason``: a short word.
    ``message``: a sentence. ``items``: how many samples were not made; 0 if the samples were made without some of their truth."""

    id: str
    path: str
    stage: str
    reason: str
    message: str
    items: int

    @property
    def is_skip(self) -> bool:
        """Whether a rule left the photograph out. It did not fail."""
        return self.reason in SKIPS

    @property
    def is_failure(self) -> bool:
        """Whether samples were not made because something is wrong."""
        return self.items > 0 and not self.is_skip

    @property
    def is_bad(self) -> bool:
        """Whether the line counts against ``--max-bad``: samples failed, or a folder or a video of the source is not readable."""
        return self.is_failure or (self.stage == "source" and self.reason in _LOST)

    def line(self) -> str:
        """The failure as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_ledger(path: Path) -> list[Failure]:
    """The lines of a ledger. A line that is none is left out, and a ledger that cannot be read has no lines."""
    try:
        lines = read_regular(path, most=_MOST_BYTES).decode(errors="replace").splitlines()
    except UnreadableFileError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            found.append(Failure(**json.loads(line)))
    return found


def stage_of(reason: str) -> str:
    """The stage of a reason."""
    return _STAGES.get(reason, "decode")


def failures_of(records: Iterable[Mapping[str, Any]]) -> list[Failure]:
    """The failures in the completion records of shards."""
    return [Failure(**failure) for record in records for failure in record["failures"]]


def count_failures(failures: Sequence[Failure]) -> dict[str, int]:
    """The numbers of samples that were not made: ``failed`` if something is wrong, ``skipped`` if a rule left them out."""
    return {
        "failed": sum(failure.items for failure in failures if failure.is_failure),
        "skipped": sum(failure.items for failure in failures if failure.is_skip),
    }


def left_out(failures: Iterable[Failure]) -> dict[tuple[str, str], tuple[int, int]]:
    """The numbers of ledger lines and of samples, by stage and reason."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for failure in failures:
        entries, items = counts.get((failure.stage, failure.reason), (0, 0))
        counts[failure.stage, failure.reason] = entries + 1, items + failure.items
    return counts
