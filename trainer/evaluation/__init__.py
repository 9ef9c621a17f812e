"""Measures how well a generator restores: restoration at any size, metrics with their conventions, tables and pictures."""

from trainer.evaluation.metrics import METRICS, load_metrics
from trainer.evaluation.pairsets import open_pairset
from trainer.evaluation.restore import Restorer
from trainer.evaluation.similarity import psnr, ssim

__all__ = ["METRICS", "Restorer", "load_metrics", "open_pairset", "psnr", "ssim"]
