"""Measures how well a generator restores: restoration at any size, metrics with their conventions, tables and pictures."""

from trainer.evaluation.metrics import METRICS, psnr, ssim
from trainer.evaluation.pairsets import open_pairset
from trainer.evaluation.restore import Restorer

__all__ = ["METRICS", "Restorer", "open_pairset", "psnr", "ssim"]
