"""The on-disk contract between blurkit and whoever trains on its datasets: format, writer, reader, index.

Needs numpy and h5py alone::

    from blurkit.shard import open_dataset
    dataset = open_dataset("shards/")
    pair = dataset[0]                     # pair.sharp, pair.blurred, pair.kernel, pair.path, pair.id, pair.meta
    pairs = dataset[-3:]                  # a list, here of the last three
    masks = pair.masks                    # bool (n, H, W), an object each; pair.objects.names are their classes
    kernel = pair.field.at(20, 30)        # that of one pixel, where the blur varies over the frame and where it does not
    sharp, blurred = dataset.crop(0, y=10, x=20, size=256)

Its batches for torch, without torch: ``torch.utils.data.DataLoader(dataset, batch_size=4, collate_fn=collate)``.
"""

from blurkit.shard.format import FORMAT_VERSION, Sample
from blurkit.shard.index import Dataset, open_dataset
from blurkit.shard.reader import Shard
from blurkit.shard.samples import collate

__all__ = ["FORMAT_VERSION", "Dataset", "Sample", "Shard", "collate", "open_dataset"]
