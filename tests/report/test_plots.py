"""Tests drawn histograms by their pixels."""

import numpy as np
import pytest
from drawn_pictures import near, read

from blurkit.report.page import BAR, CLOSES
from blurkit.report.plots import draw_histograms


def runs(values):
    """The middle value of each run of a mask's true values along an axis, as (start, end, median of the values)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], values > 0, [0]))))
    return [(a, b, float(np.median(values[a:b]))) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_histograms_show_shares_and_the_median(rng, tmp_path):
    values = np.concatenate((rng.uniform(0, 10, 4000), [np.nan, np.inf]))
    draw_histograms({"uniform": values, "mixed": [1.0] * 300 + [2.0] * 100}, tmp_path / "plot.png", title="two")
    image = read(tmp_path / "plot.png")
    half = image.shape[1] // 2
    columns = near(image, BAR, 30)[:, :half].sum(axis=0)
    filled = np.flatnonzero(columns > 20)
    line = np.flatnonzero(near(image[200:], CLOSES, 60)[:, :half].sum(axis=0) > 60)
    place = (line.mean() - filled[0]) / (filled[-1] - filled[0])
    assert place == pytest.approx(np.nanmedian(values[:4000]) / 10, abs=0.02)
    heights = [height for start, end, height in runs(near(image, BAR, 30)[:, half:].sum(axis=0)) if end - start > 40]
    assert max(heights) / min(heights) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_odd_columns_are_drawn(tmp_path, count):
    columns = {"empty": [], "constant": [3.0] * 5, "写 $x^": [np.nan], "one": [1e-9], "huge": [1e300, -1e300, 0.0]}
    columns |= {"thousands": np.arange(1e5), "long label " * 20: [1, 2, 4], "few": [0.1, 0.5] * 9, "bool": [True, False]}
    draw_histograms(dict(list(columns.items())[-count:]), tmp_path / "plot.png")
    height, width, _ = read(tmp_path / "plot.png").shape
    assert 250 < height < 1200
    assert 500 < width < 1900
