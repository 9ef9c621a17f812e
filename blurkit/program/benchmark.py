"""Figures of speed and memory, each beside its limit, as both ``bench`` commands measure and print them."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blurkit.errors import OK, UsageError, nearest


@dataclass(frozen=True)
class Figure:
    """A claim, what was measured, and the limit: a most where ``at_most``, else a least."""

    claim: str
    value: float
    limit: float
    unit: str = "x"
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the measured value is on the right side of the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        """The figure as a line of text."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.limit:g}"
        return f"{self.claim:<66} {self.value:7.3g} {self.unit:<2}  {bound:<13} {'' if self.holds else 'MISSED'}".rstrip()


def measure(sections: Mapping[str, Callable[[], Iterator[Figure]]], chosen: Sequence[str], *, as_json: bool) -> int:
    """Measure the chosen sections, or all. Returns 0 whatever the figures: a limit missed is to be read, not to fail a build."""
    unknown = [name for name in chosen if name not in sections]
    if unknown:
        raise UsageError(f"unknown section {unknown[0]!r}: it is none of {', '.join(sections)}{nearest(unknown[0], sections)}")
    figures = []
    for name in chosen or sections:
        for figure in sections[name]():
            figures.append(figure)
            if not as_json:
                print(figure.line(), flush=True)
    if as_json:
        print(json.dumps([{**vars(figure), "holds": figure.holds} for figure in figures]))
    return OK


def times(*actions: Callable[[], Any], repeats: int) -> list[float]:
    """The shortest time in seconds of each action, done in turn so that a slow spell of the machine meets all of them."""
    for action in actions:
        action()
    rounds = [[timeit.timeit(action, number=1) for action in actions] for _ in range(repeats)]
    return [min(taken) for taken in zip(*rounds, strict=True)]
