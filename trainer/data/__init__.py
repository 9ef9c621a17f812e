"""From shards to batches on the device: pairs by number, their order, random crops, augmentation."""

from trainer.data.pairs import Pairs, hold_out, open_pairs
from trainer.data.stream import Batch, Stream

__all__ = ["Batch", "Pairs", "Stream", "hold_out", "open_pairs"]
