"""Whether the photographs of a plan are as large as its crops, by the headers of a few of them."""

from __future__ import annotations

from dataclasses import dataclass

from blurkit.errors import BadImageError, BlurkitError
from blurkit.pipeline.plan import Plan
from blurkit.pipeline.settings import size_text
from blurkit.program.picks import evenly_spaced

#: Photographs whose headers are read, at most. Reading them takes a few milliseconds.
_MOST = 200


@dataclass(frozen=True)
class Fit:
    """``looked``: photographs that were looked at. ``small``: those smaller than the crops. ``unreadable``: those without a
    readable header. ``largest``: the side in pixels of the largest square crop that fits into one of them."""

    looked: int
    small: int
    unreadable: int
    largest: int

    @property
    def share(self) -> float:
        """The share of photographs of which pairs can be made, as far as the headers tell."""
        return (self.looked - self.small - self.unreadable) / self.looked


def measure_fit(plan: Plan) -> Fit:
    """Reads the headers of evenly spaced photographs of a plan, of all where they are few."""
    total, settings = len(plan.records), plan.settings
    small = unreadable = largest = 0
    least = settings.size or (1, 1)
    looked = min(total, _MOST)
    for place in evenly_spaced(total, looked):
        try:
            height, width = (side // settings.downscale for side in plan.records[place].size())
        except BadImageError:
            unreadable += 1
            continue
        small += height < least[0] or width < least[1]
        largest = max(largest, min(height, width))
    return Fit(looked, small, unreadable, largest)


def require_fit(plan: Plan) -> Fit:
    """Returns :func:`measure_fit`. Raises :class:`BlurkitError` if every photograph of the plan is smaller than its crops."""
    fit = measure_fit(plan)
    if fit.small == len(plan.records):
        raise BlurkitError(f"no pair can be made: {too_small_advice(plan, fit)}")
    return fit


def too_small_advice(plan: Plan, fit: Fit) -> str:
    """A sentence on photographs that are smaller than the crops, and which ``--size`` would fit."""
    height, _, width = size_text(plan.settings.size).partition("x")
    asked = height if height == width else f"{height}x{width}"
    factor = plan.settings.downscale
    downscaled = f" after --downscale {factor}" if factor > 1 else ""
    if fit.largest == 0:
        return f"every photograph vanishes{downscaled}; use a lower --downscale"
    every = "every photograph" if fit.looked == len(plan.records) else f"each of {fit.looked} photographs that were looked at"
    other = ", or use a lower --downscale" if factor > 1 else ""
    fits = f"the largest size that fits one of them is --size {fit.largest}"
    return f"{every} is smaller than --size {asked}{downscaled}; {fits}{other}"
