"""Measures figures of speed and memory and prints each beside its limit, for both ``bench`` commands."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blurkit.errors import OK, UsageError, nearest


@dataclass(frozen=True)
class Figure:
    """A claim, the measured value, and its limit: an upper limit if ``at_most``, else a lower limit."""

    claim: str
    value: float
    limit: float
    unit: str = "x"
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the measured value is within the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        """The figure as a line of text."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.limit:g}"
        return f"{self.claim:<66} {self.value:7.3g} {self.unit:<2}  {bound:<13} {'' if self.holds else 'MISSED'}".rstrip()


def measure(sections: Mapping[str, Callable[[], Iterator[Figure]]], chosen: Sequence[str], *, as_json: bool) -> int:
    """Measure the chosen sections, or all. Returns 0 even if a figure misses its limit, so that a slow machine fails no build."""
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
    """The shortest time of each action in seconds. The actions take turns, so that a slow moment affects all of them."""
    for action in actions:
        action()
    rounds = [[timeit.timeit(action, number=1) for action in actions] for _ in range(repeats)]
    return [min(taken) for taken in zip(*rounds, strict=True)]
