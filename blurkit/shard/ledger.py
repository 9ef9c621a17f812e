"""The ledger: a line for each photograph that was left out, or was used without some of its truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: Reasons to skip a sample that has no fault. All other reasons count against ``--max-bad``.
SKIPS = frozenset(("too_small", "not_sharp", "too_few_frames"))

#: The stage of each reason. Reasons that are not listed belong to the stage ``decode``.
_STAGES = {
    "worker_died": "process",
    "too_small": "crop",
    "not_sharp": "crop",
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

    def line(self) -> str:
        """The failure as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


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
