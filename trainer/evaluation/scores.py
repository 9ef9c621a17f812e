"""Scores pairs: metrics of the blurred and the restored image, their means, and the most representative pairs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer.evaluation.metrics import Metric
from trainer.evaluation.pairsets import PairSet
from trainer.evaluation.pictures import Row
from trainer.evaluation.restored import Restore, restored_image


class Score(NamedTuple):
    """The scores of one pair: its name, its size in pixels, and each metric of the blurred and of the restored image."""

    name: str
    height: int
    width: int
    blurred: dict[str, float]
    restored: dict[str, float]

    def gain(self, metric: str, better: int = 1) -> float:
        """Returns by how much the restored image is better than the blurred image. ``better``: that of the :class:`Metric`."""
        before, after = self.blurred[metric], self.restored[metric]
        return better * (after - before) if after != before else 0.0  # both are infinite if the pair is not blurred


def score_pairs(
    restore: Restore, pairs: PairSet, metrics: Mapping[str, Metric], numbers: Iterable[int] | None = None
) -> Iterator[Score]:
    """Yields the score of each pair, in order. ``restore``: computes or reads the restored images. ``numbers``: of the pairs to
    score, by default of all."""
    for index in range(len(pairs)) if numbers is None else numbers:
        sharp, blurred = pairs.images(index)
        restored = restored_image(restore, index, blurred)
        both = np.stack((blurred, restored)), np.broadcast_to(sharp, (2, *sharp.shape))
        values = {name: metric.measure(*both).tolist() for name, metric in metrics.items()}
        before, after = ({name: two[which] for name, two in values.items()} for which in (0, 1))
        height, width = sharp.shape[:2]
        yield Score(pairs.name(index), height, width, before, after)


def means(scores: Sequence[Score]) -> dict[str, Any]:
    """Returns the number of pairs ``n`` and the mean metrics ``blurred`` and ``restored``. PSNR is averaged in decibels."""
    blurred = {name: float(np.mean([score.blurred[name] for score in scores])) for name in scores[0].blurred}
    restored = {name: float(np.mean([score.restored[name] for score in scores])) for name in scores[0].restored}
    return {"n": len(scores), "blurred": blurred, "restored": restored}


def representative_pairs(scores: Sequence[Score], metric: str, better: int = 1) -> dict[int, str]:
    """Returns the numbers of the pairs with the greatest, the median and the least gain, with these words. They may coincide."""
    order = sorted(range(len(scores)), key=lambda index: scores[index].gain(metric, better), reverse=True)
    places = {order[-1]: "least gain", order[(len(order) - 1) // 2]: "median gain", order[0]: "greatest gain"}
    return {index: places[index] for index in order if index in places}


def make_row(
    restore: Restore,
    pairs: PairSet,
    index: int,
    score: Score,
    metrics: Mapping[str, Metric],
    *,
    words: str = "gain",
) -> Row:
    """Returns a pair as a row of a sheet. The captions give its name, its size, and the first metric."""
    sharp, blurred = pairs.images(index)
    name, metric = next(iter(metrics.items()))
    change = f"{metric.text(score.blurred[name])} → {metric.text(score.restored[name])}"
    gain = metric.text(score.gain(name, metric.better), sign="+")
    captions = (score.name, change, f"{score.width} × {score.height} px", f"{words} {gain}")
    return Row(blurred, restored_image(restore, index, blurred), sharp, captions)


def to_csv(scores: Sequence[Score]) -> str:
    """Returns CSV text with one line per pair: name, height, width, then ``psnr_blurred``, ``psnr_restored`` and so on."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(scores[0].blurred)
    writer.writerow(["name", "height", "width", *(f"{name}_{which}" for name in names for which in ("blurred", "restored"))])
    for score in scores:
        values = (value for name in names for value in (score.blurred[name], score.restored[name]))
        writer.writerow([score.name, score.height, score.width, *(f"{value:.6f}" for value in values)])
    return text.getvalue()


def to_table(scores: Sequence[Score], metrics: Mapping[str, Metric]) -> str:
    """Returns a text table with one line per pair, and one line for the means."""
    total = means(scores)
    lines = [["", *(word for name in metrics for word in (f"{name} blurred", "restored", "gain"))]]
    for score in (*scores, Score(f"mean of {len(scores)}", 0, 0, total["blurred"], total["restored"])):
        gains = {name: score.gain(name, metric.better) for name, metric in metrics.items()}
        values = ((metric, score.blurred[name], score.restored[name], gains[name]) for name, metric in metrics.items())
        cells = ((metric.text(before), metric.text(after), metric.text(gain, sign="+")) for metric, before, after, gain in values)
        lines.append([score.name, *(cell for three in cells for cell in three)])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Returns lines of words as a text of columns. All columns but the first are aligned at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
