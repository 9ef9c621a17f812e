"""Shards, the files of a dataset: their format, a writer, a reader, and the index of a folder.

Only numpy and h5py are needed::

    from blurkit.shard import open_dataset
    dataset = open_dataset("shards/")
    pair = dataset[0]                     # pair.sharp, pair.blurred, pair.kernel, pair.path, pair.id, pair.meta
    pairs = dataset[-3:]                  # a list of the last three samples
    masks = pair.masks                    # bool (n, H, W), one plane per object; pair.objects.names are the classes
    kernel = pair.field.at(20, 30)        # the kernel at one pixel, for a blur that varies and for one that does not
    sharp, blurred = dataset.crop(0, y=10, x=20, size=256)

A torch loader of whole samples: ``torch.utils.data.DataLoader(dataset, batch_size=4, collate_fn=collate)``.
"""

from blurkit.shard.format import FORMAT_VERSION, Sample
from blurkit.shard.index import Dataset, open_dataset
from blurkit.shard.reader import Shard
from blurkit.shard.samples import collate

__all__ = ["FORMAT_VERSION", "Dataset", "Sample", "Shard", "collate", "open_dataset"]
