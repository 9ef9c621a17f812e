"""Reads shards and makes batches on the device: numbered pairs, their order, random crops and augmentation."""

from trainer.data.pairs import Pairs, hold_out, open_pairs
from trainer.data.stream import Batch, Stream

__all__ = ["Batch", "Pairs", "Stream", "hold_out", "open_pairs"]
