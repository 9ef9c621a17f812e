"""Small datasets for the tests of the trainer's data."""

import dataclasses
import json

from blurkit.shard import Shard
from blurkit.shard.writer import write_shard

ATTRIBUTES = {"format": "blurkit-shard", "version": 1, "recipe": 'name = "test"\n'}


def write_folder(folder, shards):
    """Write a complete dataset. Each shard is a list of samples."""
    folder.mkdir()
    records = []
    for number, samples in enumerate(shards):
        path = folder / f"{number:05d}.h5"
        written = write_shard(path, iter(samples), attributes=ATTRIBUTES)
        records.append({"file": path.name, **dataclasses.asdict(written), "failures": []})
    digest = sum(int(record["digest"], 16) for record in records) % 2**256
    (folder / "dataset.json").write_text(json.dumps({"shards": records, "digest": f"{digest:064x}"}))
    return folder


def variants(sample, count):
    """Samples of one photograph that differ only in their variant."""
    return [dataclasses.replace(sample, meta={**sample.meta, "variant": variant}) for variant in range(count)]


def damage(path, index, field="blurred"):
    """Flip a bit in the middle of a sample's image."""
    shard = Shard(path)
    image = shard.images(index)[("sharp", "blurred").index(field)]
    offset = path.read_bytes().index(image.tobytes())
    data = bytearray(path.read_bytes())
    data[offset + image.nbytes // 2] ^= 1
    path.write_bytes(data)
