"""Tests mixing several sources: every part of the order holds each source in proportion, and each count is exact."""

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.selection import mix


def sources(*counts):
    return [
        Source(name, Path("/"), [ImageRecord(f"{i:06d}", f"/{name}/{i}", name) for i in range(count)])
        for name, count in zip("abcdef", counts, strict=False)
    ]


def mixed(*counts, weights=None, limits=None):
    return [(record.source, int(record.id)) for record in mix(sources(*counts), weights or {}, limits or {})]


def count_of(order, name):
    return sum(source == name for source, _ in order)


COUNTS = [(1,), (5,), (3, 3), (1, 100), (97, 89), (0, 4), (7, 11, 13), (2, 3, 500), (1000, 10, 1), (64, 32, 16, 8), (1,) * 6]


@pytest.mark.parametrize("counts", COUNTS)
def test_every_prefix_holds_each_source_in_proportion(counts):
    order = mixed(*counts)
    total, share, worst = sum(counts), dict(zip("abcdef", counts, strict=False)), Fraction(0)
    assert len(order) == total
    seen = dict.fromkeys(share, 0)
    for length, (source, _) in enumerate(order, 1):
        seen[source] += 1
        worst = max(worst, *(abs(seen[name] - Fraction(length * share[name], total)) for name in share))
    assert worst <= 1


@pytest.mark.parametrize("counts", COUNTS)
def test_every_photograph_is_used_once_and_in_the_order_of_its_source(counts):
    order = mixed(*counts)
    for name, count in zip("abcdef", counts, strict=False):
        assert [number for source, number in order if source == name] == list(range(count))


def brute_force(counts, weights):
    """The largest integers in the proportion of the weights that the available photographs allow."""
    scale = min(Fraction(count) / weight for count, weight in zip(counts, weights, strict=True) if weight)
    return [math.floor(scale * weight) for weight in weights]


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((100, 100), (1, 3)),
        ((10, 100), (1, 1)),
        ((5, 700), (1, 100)),
        ((30, 70, 20), (0, 2, 1)),
        ((1000, 999, 3), (7, 5, 0)),
        ((49, 1000), (7, Fraction(1, 10))),
        ((300, 1000, 1000), (Fraction(1, 10), Fraction(2, 10), Fraction(3, 10))),
        ((3, 100), (Fraction(3, 10), Fraction(1, 10))),
    ],
)
def test_weights_are_exact(counts, weights):
    named = dict(zip("abc", map(float, weights), strict=False))
    order = mixed(*counts, weights=named)
    assert [count_of(order, name) for name in named] == brute_force(counts, weights)
    assert len(set(order)) == len(order)


def test_weights_of_all_kinds_against_brute_force(rng):
    for _ in range(300):
        number = int(rng.integers(2, 5))
        counts = rng.integers(1, 200, number).tolist()
        weights = [Fraction(int(weight), 4) for weight in rng.integers(0, 40, number)]
        expected = brute_force(counts, weights) if any(weights) else []
        named = {name: float(weight) for name, weight in zip("abcd", weights, strict=False)}
        if not any(expected):
            with pytest.raises(UsageError, match="leaves none"):
                mixed(*counts, weights=named)
            continue
        order = mixed(*counts, weights=named)
        assert [count_of(order, name) for name in named] == expected


def test_a_source_without_a_weight_weighs_one():
    order = mixed(10, 90, 90, weights={"b": 3})
    assert [count_of(order, name) for name in "abc"] == [10, 30, 10]


def test_the_photographs_left_out_are_spread_over_the_source():
    kept = [number for source, number in mixed(1000, 100, weights={"a": 1}) if source == "a"]
    assert len(kept) == 100
    assert set(np.diff(kept)) == {10}
    assert kept[0] < 10


def test_a_limit_takes_the_first_ones():
    assert mixed(10, limits={"a": 3}) == [("a", 0), ("a", 1), ("a", 2)]
    order = mixed(10, 40, limits={"b": 5, "a": 99})
    assert [count_of(order, name) for name in "ab"] == [10, 5]
    assert {number for source, number in order if source == "b"} == set(range(5))
    order = mixed(100, 100, limits={"b": 50}, weights={"a": 2})
    assert [count_of(order, name) for name in "ab"] == [100, 50]
    assert {number for source, number in order if source == "b"} == set(range(50))


def test_the_order_is_always_the_same():
    counts, weights, limits = (31, 77, 12), {"a": 0.7, "b": 1.3}, {"b": 70}
    assert mixed(*counts, weights=weights, limits=limits) == mixed(*counts, weights=weights, limits=limits)


def test_the_first_source_comes_first_where_two_fall_on_one_place():
    assert mixed(2, 2) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_records_are_taken_as_they_are_asked_for():
    """The memory does not hold a million photographs twice."""

    class Counting(list):
        asked = 0

        def __getitem__(self, place):
            Counting.asked += 1
            return super().__getitem__(place)

    first, second = sources(1000, 1000)
    order = mix([Source("a", Path("/"), Counting(first.records)), second], {}, {})
    assert len(list(itertools.islice(order, 10))) == 10
    assert Counting.asked < 10


def test_a_huge_weight_overflows_nothing():
    assert count_of(mixed(1, 1, weights={"b": 1e300}), "b") == 1


@pytest.mark.parametrize(("counts", "weights"), [((9, 5), {"a": 0, "b": 0}), ((0, 5), {"a": 0.001}), ((0, 0), {"a": 2})])
def test_weights_that_leave_nothing_are_refused(counts, weights):
    with pytest.raises(UsageError, match="leaves none"):
        mixed(*counts, weights=weights)
