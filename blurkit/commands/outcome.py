"""What a run of ``blurkit generate`` came to: its counts, what was left out and why, and the exit code."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import FAILED, OK, UsageError
from blurkit.pipeline.fit import measure_fit, too_small_advice
from blurkit.pipeline.plan import Plan
from blurkit.program.progress import data_size, duration, plural
from blurkit.report.histograms import finite_values, percentiles
from blurkit.shard.documents import LEDGER, read_record
from blurkit.shard.index import Dataset
from blurkit.shard.ledger import Failure, count_failures, failures_of, left_out, read_ledger
from blurkit.shard.reader import Shard

#: The title of :func:`reason_lines`.
LEFT_OUT = "left out, or used without some of its objects:"

#: Failures that are named at the end of a run, at most.
_NAMED = 3


@dataclass(frozen=True)
class Tolerance:
    """What ``--max-bad`` allows. ``text``: the option. ``allowed``: planned pairs -> how many may fail."""

    text: str
    allowed: Callable[[int], float]


def parse_max_bad(text: str) -> Tolerance:
    """Converts a share such as ``"1%"`` or a number of pairs such as ``"20"``. Raises :class:`UsageError` for any other text."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or (text.endswith("%") and value > 100):
        raise UsageError(f"--max-bad is a share such as 1% or a number of pairs, got {text!r}")
    return Tolerance(text, (lambda pairs: pairs * value / 100) if text.endswith("%") else (lambda pairs: value))


@dataclass(frozen=True)
class Outcome:
    """The end of a run. ``summary``: the object that ``--json`` prints. ``lines``: the lines of the ledger."""

    plan: Plan
    folder: Path
    summary: dict[str, Any]
    lines: list[Failure]

    def text(self, share: tuple[int, int] | None) -> str:
        """The outcome for people. ``share``: the slice of this run."""
        summary, folder = self.summary, self.folder
        counts = f"{plural(summary['made'], 'pair')} in {plural(summary['shards'], 'shard')}"
        lines = [f"{folder}: {counts}, {data_size(summary['bytes'])}, after {duration(summary['seconds'])}"]
        if summary["failed"] or summary["skipped"]:
            lines.append(f"{summary['failed']} failed, {summary['skipped']} skipped")
        if self.lines:
            lines += [LEFT_OUT, *reason_lines(self.lines), f"{folder / LEDGER} names each"]
        if found := summary.get("shift [px]"):
            spread = ", ".join(f"{name[1:]} % {value:g}" for name, value in found.items())
            lines.append(f"{summary['moved']} of {summary['registered']} sharp images were moved; quantiles of all: {spread} px")
        if summary["complete"]:
            lines.append(f"digest {summary['digest']}")
        if summary["complete"] and summary["made"]:
            lines.append(f"look at it: blurkit preview {folder}    check it: blurkit verify {folder}")
        elif share is not None and not summary["complete"]:
            lines.append(f"slice {share[0]}/{share[1]} is done; the dataset is complete when all slices are done")
        return "\n".join(lines)

    def fault(self, tolerance: Tolerance) -> str:
        """Why the exit code is 1, and what to do about it. An empty text if the run is a success."""
        pairs, made, failed = self.summary["pairs"], self.summary["made"], self.summary["failed"]
        lost, unreadable = [line for line in self.lines if line.is_bad], self.summary["unreadable"]
        if pairs and not made:
            again = "To use this folder again with other options, add --overwrite."
            return f"no pair was made: {self._reasons_for_nothing()}. {self.folder / LEDGER} names each. {again}"
        if failed + unreadable <= tolerance.allowed(pairs):
            return ""
        named = "; ".join(f"{line.id} ({line.reason}): {line.message.rstrip('.')}" for line in lost[:_NAMED])
        more = f"; and {len(lost) - _NAMED} more in {self.folder / LEDGER}" if len(lost) > _NAMED else ""
        also = f", and {unreadable} of the source could not be read" if unreadable else ""
        return (
            f"{failed} of {plural(pairs, 'pair')} failed{also}, more than --max-bad {tolerance.text} allows: {named}{more}. "
            "The other pairs are made. Mend these and run again with --retry-failed, or accept the loss with "
            f"--max-bad {failed + unreadable}"
        )

    def exit_code(self, tolerance: Tolerance) -> int:
        """The exit code of the run."""
        return FAILED if self.fault(tolerance) else OK

    def _reasons_for_nothing(self) -> str:
        counts = collections.Counter[str]()
        for line in self.lines:
            counts[line.reason] += line.items
        reasons = [f"{count} {reason}" for reason, count in counts.most_common() if count]
        fit = measure_fit(self.plan) if counts["too_small"] and self.plan.settings.size else None
        if fit and fit.small:
            return f"{', '.join(reasons)}: {too_small_advice(self.plan, fit)}"
        first = next(line for line in self.lines if line.items)
        return f"{', '.join(reasons)}; the first is {first.id}: {first.message.rstrip('.')}"


def outcome_of(plan: Plan, folder: Path, mine: Iterable[int], planned: int, seconds: float, index: Any) -> Outcome:
    """The outcome of a run. ``mine``: the shards of this run, with so many pairs ``planned``. ``index``: the content of
    ``dataset.json``, or None if shards are missing."""
    records = [record for record in (read_record(folder, number) for number in mine) if record]
    failures, passed_over = failures_of(records), plan.passed_over()
    summary = {
        "out": str(folder),
        "images": len(plan.records),
        "pairs": planned,
        "made": sum(record["samples"] for record in records),
        **count_failures(failures),
        "passed_over": dict(collections.Counter(entry.reason for entry in passed_over).most_common()),
        "unreadable": sum(entry.is_bad for entry in passed_over),
        "left_out": [
            {"stage": stage, "reason": reason, "entries": entries, "pairs": pairs}
            for (stage, reason), (entries, pairs) in left_out([*failures, *passed_over]).items()
        ],
        "incomplete": sum(failure.items == 0 for failure in failures),
        "shards": len(records),
        "bytes": sum(record["bytes"] for record in records),
        "seconds": round(seconds, 3),
        "complete": index is not None,
        "digest": index["digest"] if index else None,
    }
    if any(part.real and part.real.register for part in plan.settings.recipe.parts):
        every = [shifts(Shard(folder / record["file"])) for record in records if record["file"]]
        known = finite_values(np.concatenate(every)) if every else np.empty(0)
        if known.size:
            summary |= {"registered": known.size, "moved": int(np.count_nonzero(known)), "shift [px]": percentiles(known)}
    return Outcome(plan, folder, summary, [*failures, *passed_over])


def shifts(shard: Shard) -> NDArray[np.float64]:
    """By how many pixels the sharp image of each pair was moved, (n,), NaN if it was not registered. Empty if none was."""
    y, x = (shard.columns.get(f"parameters/shift_{axis}", np.empty(0)) for axis in "yx")
    return np.hypot(y, x)


def reason_lines(lines: Iterable[Failure]) -> list[str]:
    """A line for each reason: how many entries have it, and the first of them with its message."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for line in lines:
        groups.setdefault((line.stage, line.reason), []).append(line)
    return [
        f"  {len(group):,} {reason}, such as {group[0].id}: {group[0].message}"
        for (_, reason), group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def nothing_stored(shards: str, dataset: Dataset) -> UsageError:
    """The error for a dataset without a pair: no shard is complete yet, or everything was left out for the reasons it names."""
    if not dataset.digest:
        return UsageError(f"{shards} has no complete shard; run the same `blurkit generate` again, it resumes")
    lines = read_ledger(dataset.folder / LEDGER)
    reasons = "".join(f"\n{line}" for line in reason_lines(lines))
    return UsageError(f"{shards} is complete and holds no pair, because every photograph was left out:{reasons}")
