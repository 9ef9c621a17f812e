"""How much better restored photographs are than blurred ones: scores of each pair, their means, and the pairs that tell most."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer.evaluation.metrics import Metric
from trainer.evaluation.pairsets import PairSet
from trainer.evaluation.pictures import Row
from trainer.evaluation.restore import Restorer


class Score(NamedTuple):
    """Of one pair: its name, size in pixels, and each metric of the blurred and of the restored image against the sharp one."""

    name: str
    height: int
    width: int
    blurred: dict[str, float]
    restored: dict[str, float]

    def gain(self, metric: str) -> float:
        """By how much the restored image is better than the blurred one."""
        before, after = self.blurred[metric], self.restored[metric]
        return after - before if after != before else 0.0  # of a pair that is not blurred both are infinite


def score_pairs(restore: Restorer, pairs: PairSet, metrics: Mapping[str, Metric]) -> Iterator[Score]:
    """The score of every pair, one after the other."""
    for index in range(len(pairs)):
        sharp, blurred = pairs.images(index)
        restored = restore(blurred)
        both = ({name: metric.measure(image, sharp) for name, metric in metrics.items()} for image in (blurred, restored))
        yield Score(pairs.name(index), *sharp.shape[:2], *both)


def means(scores: Sequence[Score]) -> dict[str, Any]:
    """``n``, and each metric's mean over the pairs: ``blurred`` and ``restored``. A mean of decibels, not of errors."""
    blurred = {name: float(np.mean([score.blurred[name] for score in scores])) for name in scores[0].blurred}
    restored = {name: float(np.mean([score.restored[name] for score in scores])) for name in scores[0].restored}
    return {"n": len(scores), "blurred": blurred, "restored": restored}


def representative_pairs(scores: Sequence[Score], metric: str) -> dict[int, str]:
    """The numbers of the pairs that gained most, the median, and least, in this order, each with these words; fewer of fewer."""
    order = sorted(range(len(scores)), key=lambda index: scores[index].gain(metric), reverse=True)
    places = {order[-1]: "least gain", order[(len(order) - 1) // 2]: "median gain", order[0]: "greatest gain"}
    return {index: places[index] for index in order if index in places}


def show(
    restore: Restorer, pairs: PairSet, index: int, score: Score, metrics: Mapping[str, Metric], *, words: str = "gain"
) -> Row:
    """A pair as a row of a sheet, with what the first metric says of it in the captions."""
    sharp, blurred = pairs.images(index)
    name, metric = next(iter(metrics.items()))
    change = f"{metric.text(score.blurred[name])} → {metric.text(score.restored[name])}"
    captions = (score.name, change, f"{score.width} × {score.height} px", f"{words} {metric.text(score.gain(name), sign='+')}")
    return Row(blurred, restore(blurred), sharp, captions)


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
    total = means(scores)
    lines = [["", *(word for name in metrics for word in (f"{name} blurred", "restored", "gain"))]]
    for score in (*scores, Score(f"mean of {len(scores)}", 0, 0, total["blurred"], total["restored"])):
        values = ((metric, score.blurred[name], score.restored[name], score.gain(name)) for name, metric in metrics.items())
        cells = ((metric.text(before), metric.text(after), metric.text(gain, sign="+")) for metric, before, after, gain in values)
        lines.append([score.name, *(cell for three in cells for cell in three)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
