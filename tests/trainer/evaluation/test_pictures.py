"""Tests the trainer's sheets and curves by their pixels."""

import math

import numpy as np
import pytest
from drawn_pictures import flat, near, read, rgb

from blurkit.errors import UsageError
from blurkit.report.page import CLOSES, OPENS
from trainer.evaluation.curves import draw_curves, smoothed
from trainer.evaluation.pictures import Row, draw_triples, gain_map


def test_each_image_stands_in_its_column(tmp_path):
    colors = [[(200, 10 + 40 * row, 0), (0, 200, 10 + 40 * row), (10 + 40 * row, 0, 200)] for row in range(2)]
    rows = [Row(*(flat(color, 60, 80) for color in three), ("a name", "a gain")) for three in colors]
    draw_triples(tmp_path / "sheet.png", rows, title="title", subtitle="subtitle")
    image = read(tmp_path / "sheet.png")
    tops = []
    for three in colors:
        lefts = []
        for color in three:
            rows_there, columns = np.nonzero((image == color).all(axis=2))
            assert (np.ptp(rows_there) + 1, np.ptp(columns) + 1) == (300, 400)
            lefts.append(columns.min())
            tops.append(rows_there.min())
        assert lefts == [32, 437, 842]
    assert tops == sorted(tops)
    assert len(set(tops)) == 2


def test_mixed_sizes_odd_names_and_many_rows(tmp_path, rng):
    shapes = [(1, 1), (4, 90), (32, 32)] * 3
    rows = [Row(*rng.integers(0, 256, (3, *shape, 3), np.uint8), ("$x_写真\udcff" * 40, "b", "c", "d")) for shape in shapes]
    for count in (1, 9):
        draw_triples(tmp_path / f"{count}.jpg", rows[:count])
        assert read(tmp_path / f"{count}.jpg").shape[1] > 1000
    with pytest.raises(UsageError, match="at least one"):
        draw_triples(tmp_path / "none.png", [])
    with pytest.raises(UsageError, match="not a picture format"):
        draw_triples(tmp_path / "x.gif", rows)


def test_the_map_shows_what_improved():
    sharp = flat(100, 40, 300)
    blurred, restored = sharp.copy(), sharp.copy()
    blurred[:, :100] += 60  # blur that the restoration removes
    restored[:, 200:] += 60  # an error that the restoration adds
    colours = gain_map(Row(blurred, restored, sharp))
    assert near(colours[:, 10:90], OPENS, 1).all()
    assert (colours[:, 110:190] < 12).all()
    assert near(colours[:, 210:290], CLOSES, 1).all()
    half = gain_map(Row(sharp + np.uint8(12), sharp, sharp))
    assert np.abs(half.astype(int) - np.add(rgb(OPENS), (8, 8, 10)) / 2).max() <= 1


def curve(steps=100):
    fixed = {"rate/generator": 1e-4, "val/psnr_blurred": 25.0}
    numbers = range(0, steps + 1, 5)
    return [{"step": step, "loss/l1": 2.0 ** -(step / 10), "val/psnr": 20 + step / 10, **fixed} for step in numbers]


def test_validation_rises_through_the_level_of_the_blurred_input(tmp_path):
    draw_curves(tmp_path / "curves.png", curve(), title="title", subtitle="subtitle")
    image = read(tmp_path / "curves.png")[130:470]  # the first panel
    level = near(image, CLOSES, 30).sum(axis=1)
    assert level.max() > 1000
    height = int(np.argmax(level))
    rising = near(image, OPENS, 30)
    tops = np.array([rising[:, x].nonzero()[0].mean() for x in (200, 640, 1100)])
    assert tops[0] > tops[1] > tops[2]
    assert tops[1] == pytest.approx(height, abs=14)  # 25 dB are reached in the middle of the run
    assert np.diff(tops, 2) == pytest.approx(0, abs=20)


def test_gaps_repeats_and_single_lines_are_drawn(tmp_path):
    lines = [{"step": 7, "loss/a": math.nan}, {"step": 3, "note": "x"}, {"step": 5, "loss/a": -1.0, "val/psnr": 3.0}]
    draw_curves(tmp_path / "a.png", lines[2:])
    draw_curves(tmp_path / "b.png", lines)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), read(tmp_path / "b.png"))
    draw_curves(
        tmp_path / "b.png", [{"step": 5, "loss/a": 9.0, "val/psnr": 3.0}, *lines]
    )  # of a repeated step the last value counts
    np.testing.assert_array_equal(read(tmp_path / "a.png"), read(tmp_path / "b.png"))
    draw_curves(tmp_path / "zero.png", [{"step": 0, "loss/a": 0.0}])
    for lines in ([], [{"step": 1}], [{"step": 1, "psnr": 3.0}]):
        with pytest.raises(UsageError, match="nothing to draw"):
            draw_curves(tmp_path / "c.png", lines)


def test_an_exponential_decay_is_drawn_as_a_straight_line(tmp_path):
    lines = [{"step": step, "loss/a": 10.0 ** -(step / 5)} for step in range(21)]
    draw_curves(tmp_path / "a.png", lines)
    falling = near(read(tmp_path / "a.png")[70:280, :420], OPENS, 30)
    heights = np.array([falling[:, x].nonzero()[0].mean() for x in (150, 230, 310, 390)])
    assert np.diff(heights).min() > 20
    assert np.diff(heights, 2) == pytest.approx(0, abs=2)


def test_smoothing_keeps_means_and_straight_lines(rng):
    steps = np.arange(200.0)
    straight = np.column_stack((steps, 3 * steps))
    np.testing.assert_allclose(smoothed(straight)[4:-4], straight[4:-4])
    noisy = np.column_stack((steps, rng.normal(size=200)))
    np.testing.assert_allclose(smoothed(noisy)[100, 1], noisy[96:105, 1].mean())
    np.testing.assert_allclose(smoothed(noisy)[-1, 1], noisy[195:, 1].mean())
    np.testing.assert_array_equal(smoothed(noisy[:20]), noisy[:20])
