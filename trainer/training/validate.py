"""How well the generator restores held-out pairs, seen now and then: decibels, a sheet, and the curves."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np

from blurkit.program.signals import Stop
from trainer.data.pairs import Pairs
from trainer.evaluation.metrics import choose_metrics
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import Score, score_pairs, show
from trainer.training.watch import METRICS

#: Pairs on the sheet.
SHOWN = 4
#: Decibels that count where a pair is not blurred at all, lest the mean be infinite.
MOST = 99.0

_PSNR = choose_metrics("psnr")


def validate(held: Pairs, restore: Restorer, stop: Stop) -> list[Score]:
    """Restore these pairs, whole, and score them by ``psnr``; fewer of them where a signal came meanwhile."""
    return list(itertools.takewhile(lambda _: not stop, score_pairs(restore, held, _PSNR)))


def levels(scores: list[Score]) -> tuple[float, float]:
    """Mean decibels before and after."""
    both = np.array([(score.blurred["psnr"], score.restored["psnr"]) for score in scores])
    before, after = np.minimum(both, MOST).mean(axis=0).tolist()
    return before, after


def draw(out: Path, held: Pairs, restore: Restorer, scores: list[Score], *, title: str) -> None:
    """Write ``validation.png``, a sheet of a few of the pairs, and ``curves.png``, of all of ``metrics.jsonl``, into a folder."""
    from trainer.evaluation.curves import draw_curves  # with them comes matplotlib
    from trainer.evaluation.pictures import draw_triples

    shown = range(0, len(scores), math.ceil(len(scores) / SHOWN))
    rows = [show(restore, held, index, scores[index], _PSNR) for index in shown]
    before, after = levels(scores)
    level = f"{len(scores)} held-out pairs: {before:.2f} dB blurred, {after:.2f} dB restored (mean PSNR)"
    draw_triples(out / "validation.png", rows, title=title, subtitle=level)
    lines = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    draw_curves(out / "curves.png", lines, title=title, subtitle=level)
