"""Tests histograms against plain counting, and reads their text back."""

import re

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.report.histograms import histogram, number_text, round_below, text_histogram


def rows_of(text):
    """The heading, and per bin its name, the length of its bar in characters, and its count."""
    heading, *rows = text.splitlines()
    parsed = []
    for row in rows:
        name, bar, count = re.fullmatch(r" {2}(.*?\S) {2}([▏▎▍▌▋▊▉█]*) *(\d[\d,]*)", row).groups()
        eighths = ["▏▎▍▌▋▊▉█".index(block) + 1 for block in bar]
        assert all(block == 8 for block in eighths[:-1])
        parsed.append((name.strip(), sum(eighths) / 8, int(count.replace(",", ""))))
    return heading, parsed


@pytest.mark.parametrize("bins", [2, 5, 12, 30])
def test_every_value_is_counted_in_its_bin(rng, bins):
    for scale, shift in [(1, 0), (1e-7, 0), (1e9, -3e9), (60, 5), (0.1, 1e3)]:
        values = shift + scale * rng.normal(size=500)
        tally = histogram(values, bins=bins)
        assert len(tally.counts) <= bins
        assert not tally.discrete
        expected = [int(((values >= low) & (values < high)).sum()) for low, high in zip(tally.lower, tally.upper, strict=True)]
        np.testing.assert_array_equal(tally.counts, expected)
        assert tally.counts.sum() == 500
        assert tally.counts[0] > 0
        assert tally.counts[-1] > 0
        step = tally.upper[0] - tally.lower[0]
        np.testing.assert_allclose(tally.upper - tally.lower, step, rtol=1e-6)
        assert f"{step:.6e}"[:8] in ("1.000000", "2.000000", "5.000000")


def test_values_on_an_edge_begin_a_bin():
    tally = histogram(np.arange(30) / 10, bins=30)  # 0.3 / 0.1 is less than 3 in floating point
    np.testing.assert_array_equal(tally.counts, np.ones(30))
    np.testing.assert_allclose(tally.lower, np.arange(30) / 10, atol=1e-12)


def test_few_distinct_values_have_a_bin_each():
    tally = histogram([0.1, 1, 0.5, 0.25, 0.1, 0.1, 1, 0.5])
    assert tally.discrete
    np.testing.assert_array_equal(tally.lower, [0.1, 0.25, 0.5, 1])
    np.testing.assert_array_equal(tally.counts, [3, 1, 2, 2])


def test_the_text_says_the_counts(rng):
    values = rng.gamma(2, 8, 3000)
    heading, rows = rows_of(text_histogram(values, label="blur extent [px]", width=40))
    tally = histogram(values)
    assert heading.startswith("blur extent [px]: 3,000 values, median ")
    assert float(re.search(r"median ([\d.]+)", heading)[1]) == pytest.approx(np.median(values), rel=0.01)
    assert [count for _, _, count in rows] == tally.counts.tolist()
    most = max(count for _, _, count in rows)
    for (name, bar, count), low, high in zip(rows, tally.lower, tally.upper, strict=True):
        assert [float(edge) for edge in name.split("–")] == [low, high]
        assert bar == pytest.approx(40 * count / most, abs=1 / 16) or (count and bar == 1 / 8)


def test_rare_values_are_never_invisible():
    _, rows = rows_of(text_histogram([1.0] * 100_000 + [2.0], label="a", width=10))
    assert rows == [("1", 10, 100_000), ("2", 1 / 8, 1)]


def test_bins_of_whole_numbers_are_named_by_what_they_hold():
    _, rows = rows_of(text_histogram(np.arange(60, 101), label="JPEG quality", bins=5))
    assert rows == [("60 –  69", 40, 10), ("70 –  79", 40, 10), ("80 –  89", 40, 10), ("90 –  99", 40, 10), ("100 – 109", 4, 1)]
    _, rows = rows_of(text_histogram([9, 12, 19], label="extent"))
    assert [name for name, _, _ in rows] == [str(number) for number in range(9, 20)]


def test_constant_empty_and_not_finite():
    assert rows_of(text_histogram([3, 3, 3], label="a")) == ("a: 3 values, median 3, 10–90 %: 3 to 3", [("3", 40, 3)])
    assert rows_of(text_histogram([7.5], label="a"))[1] == [("7.5", 40, 1)]
    assert text_histogram([], label="a") == "a: 0 values"
    assert text_histogram([np.nan, -np.inf], label="a") == "a: 0 values, 2 not finite"
    heading, rows = rows_of(text_histogram([1, np.nan, 1, np.inf, 2, 2], label="a"))
    assert heading.endswith("2 not finite")
    assert rows == [("1", 40, 2), ("2", 40, 2)]


def test_extreme_numbers_do_not_fail():
    for values in ([1e300, -1e300], [5e-324, 1.0], [1e16, 1e16 + 2], [-5, 5], [0, 1e-300], [2**53, 2**53 + 2, 1]):
        for bins in (2, 12):
            _, rows = rows_of(text_histogram(values, label="a", bins=bins))
            assert sum(count for _, _, count in rows) == len(values)


def test_one_bin_is_refused():
    with pytest.raises(UsageError, match="at least 2 bins"):
        histogram([1.0, 2.0], bins=1)


def test_round_numbers():
    assert [round_below(limit) for limit in (1, 1.9, 2, 4.9, 5, 9.9, 10, 0.03, 700)] == [1, 1, 2, 2, 5, 5, 10, 0.02, 500]
    texts = {0.125: "0.125", 23.42: "23.4", 999.4: "999", 999.6: "1,000", 1234.4: "1,234", 0: "0", -0.5: "-0.5", 2e7: "2e+07"}
    assert {value: number_text(value) for value in texts} == texts
