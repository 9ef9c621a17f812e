"""How much better restored photographs are than blurred ones: scores of each pair, their means, and the pairs that tell most."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer.metrics import Metric
from trainer.pairsets import PairSet
from trainer.pictures import Row
from trainer.restore import Restorer


class Score(NamedTuple):
    """Of one pair: its name, size in pixels, and each metric of the blurred and of the restored image against the sharp one."""

    name: str
    height: int
    width: int
    blurred: dict[str, float]
    restored: dict[str, float]


def score_pairs(
    restore: Restorer, pairs: PairSet, metrics: Mapping[str, Metric], *, tick: Callable[[int], None] = lambda done: None
) -> list[Score]:
    """Score every pair, in order; ``tick`` is told how many are done."""
    scores = []
    for index in range(len(pairs)):
        sharp, blurred = pairs.images(index)
        restored = restore(blurred)
        both = ({name: metric.measure(image, sharp) for name, metric in metrics.items()} for image in (blurred, restored))
        scores.append(Score(pairs.name(index), *sharp.shape[:2], *both))
        tick(index + 1)
    return scores


def means(scores: Sequence[Score]) -> dict[str, Any]:
    """``n``, and each metric's mean over the pairs: ``blurred`` and ``restored``. A mean of decibels, not of errors."""
    names = list(scores[0].blurred)
    blurred = {name: float(np.mean([score.blurred[name] for score in scores])) for name in names}
    restored = {name: float(np.mean([score.restored[name] for score in scores])) for name in names}
    return {"n": len(scores), "blurred": blurred, "restored": restored}


def sizes(scores: Sequence[Score]) -> dict[str, int]:
    """How many pairs there are of each size, the most frequent first."""
    return dict(Counter(f"{score.width}x{score.height}" for score in scores).most_common())


def gain(score: Score, metric: str) -> float:
    """By how much the restored image is better than the blurred one."""
    return _change(score.blurred[metric], score.restored[metric])


def telling(scores: Sequence[Score], metric: str) -> dict[int, str]:
    """The numbers of the pairs that gained most, the median, and least, in this order, each with these words; fewer of fewer."""
    order = sorted(range(len(scores)), key=lambda index: gain(scores[index], metric), reverse=True)
    places = {order[-1]: "least gain", order[(len(order) - 1) // 2]: "median gain", order[0]: "greatest gain"}
    return {index: places[index] for index in order if index in places}


def show(restore: Restorer, pairs: PairSet, index: int, metric: Metric, *, words: str = "gain") -> Row:
    """A pair as a row of a sheet, with what a metric says of it in the captions."""
    sharp, blurred = pairs.images(index)
    restored = restore(blurred)
    before, after = (metric.measure(image, sharp) for image in (blurred, restored))
    height, width = sharp.shape[:2]
    change = f"{words} {metric.text(_change(before, after), sign='+')}"
    return Row(
        blurred,
        restored,
        sharp,
        (pairs.name(index), f"{metric.text(before)} → {metric.text(after)}", f"{width} × {height} px", change),
    )


def to_csv(scores: Sequence[Score]) -> str:
    """A line per pair: name, height, width, then each metric as ``psnr_blurred`` and ``psnr_restored``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(scores[0].blurred)
    writer.writerow(["name", "height", "width", *(f"{name}_{which}" for name in names for which in ("blurred", "restored"))])
    for score in scores:
        values = (value for name in names for value in (score.blurred[name], score.restored[name]))
        writer.writerow([score.name, score.height, score.width, *(f"{value:.6f}" for value in values)])
    return text.getvalue()


def to_table(scores: Sequence[Score], metrics: Mapping[str, Metric]) -> str:
    """A line per pair and one for the means, in columns."""
    lines = [["", *(word for name in metrics for word in (f"{name} blurred", "restored", "gain"))]]
    total = means(scores)
    for score in (*scores, Score(f"mean of {len(scores)}", 0, 0, total["blurred"], total["restored"])):
        line = [score.name]
        for name, metric in metrics.items():
            line += [
                metric.text(score.blurred[name]),
                metric.text(score.restored[name]),
                metric.text(gain(score, name), sign="+"),
            ]
        lines.append(line)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)


def _change(before: float, after: float) -> float:
    return after - before if after != before else 0.0  # of a pair that is not blurred both are infinite
