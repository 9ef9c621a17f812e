"""Tests scores of metrics of which lower values are better."""

import numpy as np
import pytest
import torch

from trainer.evaluation.metrics import load_metrics
from trainer.evaluation.scores import Score, representative_pairs, score_pairs, to_table

LOWER = load_metrics("fourier_error")


def scores(*pairs):
    return [
        Score(f"{number}", 20, 20, {"fourier_error": before}, {"fourier_error": after})
        for number, (before, after) in enumerate(pairs)
    ]


def test_the_greatest_gain_is_the_greatest_improvement():
    three = scores((0.5, 0.6), (0.5, 0.1), (0.5, 0.4))
    better = LOWER["fourier_error"].better
    assert representative_pairs(three, "fourier_error", better) == {1: "greatest gain", 2: "median gain", 0: "least gain"}
    assert [score.gain("fourier_error", better) for score in three] == pytest.approx([-0.1, 0.4, 0.1])


def test_a_table_shows_improvements_as_positive():
    lines = to_table(scores((0.5, 0.6), (0.5, 0.1)), LOWER).splitlines()
    assert lines[1].split() == ["0", "0.50000", "0.60000", "-0.10000"]
    assert lines[2].split() == ["1", "0.50000", "0.10000", "+0.40000"]


def test_pairs_are_scored_by_every_metric_named(rng):
    images = [tuple(rng.integers(0, 256, (2, 20, 24, 3), np.uint8)) for _ in range(3)]

    class Pairs:
        images = staticmethod(lambda index: images[index])
        name = staticmethod(str)
        __len__ = staticmethod(lambda: len(images))

    metrics = load_metrics("psnr,ssim,ssim_3d,fourier_error", torch.device("cpu"))
    found = list(score_pairs(lambda blurred: blurred // 2, Pairs(), metrics))
    for score, (sharp, blurred) in zip(found, images, strict=True):
        for name, metric in metrics.items():
            assert score.blurred[name] == metric.measure(blurred, sharp)
            assert score.restored[name] == metric.measure(blurred // 2, sharp)
