"""The ledger: a line for each photograph of which samples are not made, or are made without something."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: Reasons that leave a sample out without anything being wrong with it; all others count against ``--max-bad``.
SKIPS = frozenset(("too_small", "not_sharp", "too_few_frames"))

#: The stage at which a reason is found, where that is not decoding.
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
    """A line of the ledger: which photograph, at which stage, why (a short word and a sentence), and how many samples are not
    made for it; none where the samples are made, but without something."""

    id: str
    path: str
    stage: str
    reason: str
    message: str
    items: int

    @property
    def is_skip(self) -> bool:
        """Whether the photograph was left out by a rule rather than failed."""
        return self.reason in SKIPS

    @property
    def is_failure(self) -> bool:
        """Whether samples are not made for something that is wrong."""
        return self.items > 0 and not self.is_skip

    def line(self) -> str:
        """The failure as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def stage_of(reason: str) -> str:
    """The stage at which a reason is found."""
    return _STAGES.get(reason, "decode")


def failures_of(records: Iterable[Mapping[str, Any]]) -> list[Failure]:
    """The failures that the completion records of shards hold."""
    return [Failure(**failure) for record in records for failure in record["failures"]]


def count_failures(failures: Sequence[Failure]) -> dict[str, int]:
    """Samples that are not made: ``failed`` for something wrong, ``skipped`` by a rule."""
    return {
        "failed": sum(failure.items for failure in failures if failure.is_failure),
        "skipped": sum(failure.items for failure in failures if failure.is_skip),
    }


def left_out(failures: Iterable[Failure]) -> dict[tuple[str, str], tuple[int, int]]:
    """Lines of a ledger, counted by stage and reason."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for failure in failures:
        entries, items = counts.get((failure.stage, failure.reason), (0, 0))
        counts[failure.stage, failure.reason] = entries + 1, items + failure.items
    return counts
