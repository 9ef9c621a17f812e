"""How well the generator restores held-out pairs, seen now and then: decibels, a sheet, and the curves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from blurkit.signals import Stop
from trainer.metrics import psnr
from trainer.pairs import Pairs
from trainer.restore import Restorer
from trainer.watch import METRICS

#: Pairs on the sheet.
SHOWN = 4
#: Decibels that count where a pair is not blurred at all, lest the mean be infinite.
MOST = 99.0


@dataclass(frozen=True)
class Validation:
    """Mean PSNR in decibels over ``indices`` of the held-out pairs, before and after. ``gains`` of each."""

    blurred: float
    restored: float
    indices: tuple[int, ...]
    gains: tuple[float, ...]


def choose_pairs(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` pairs, evenly spread, always the same."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist()


def validate(generator: nn.Module, held: Pairs, indices: list[int], restorer: Restorer, stop: Stop) -> Validation | None:
    """Restore these pairs, whole; None where a signal came meanwhile. The generator is left in the mode that it was in."""
    levels = []
    with evaluating(generator):
        for index in indices:
            if stop:
                return None
            sharp, blurred = held.images(index)
            levels.append((psnr(blurred, sharp), psnr(restorer(blurred), sharp)))
    before, after = np.minimum(np.array(levels), MOST).T
    return Validation(float(before.mean()), float(after.mean()), tuple(indices), tuple((after - before).tolist()))


def draw(out: Path, held: Pairs, found: Validation, generator: nn.Module, restorer: Restorer, *, title: str) -> None:
    """Write ``validation.png``, a sheet of a few of the pairs, and ``curves.png``, of all of ``metrics.jsonl``, into a folder."""
    from trainer.curves import draw_curves  # with them comes matplotlib
    from trainer.pictures import Row, draw_triples

    rows = []
    with evaluating(generator):
        for place in choose_pairs(len(found.indices), SHOWN):
            sharp, blurred = held.images(found.indices[place])
            captions = (held.name(found.indices[place]), f"{found.gains[place]:+.2f} dB")
            rows.append(Row(blurred, restorer(blurred), sharp, captions))
    count = len(found.indices)
    level = f"{count} held-out pairs: {found.blurred:.2f} dB blurred, {found.restored:.2f} dB restored (mean PSNR)"
    draw_triples(out / "validation.png", rows, title=title, subtitle=level)
    lines = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    draw_curves(out / "curves.png", lines, title=title, subtitle=level)


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode."""
    mode = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(mode)
