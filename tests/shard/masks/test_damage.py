"""Tests that damaged or hostile masks in shards are found and named."""

import json
import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from damage import flipped_bits, put, tamper
from masked_samples import COLUMNS, save

from blurkit.cli import cli
from blurkit.errors import CorruptShardError
from blurkit.shard import Shard


@pytest.mark.parametrize("column", COLUMNS)
def test_no_flipped_bit_goes_unnoticed(samples, tmp_path, column):
    """Flip up to 20 bits of each column. The error names the shard, and the sample if only one is damaged."""
    path = save(tmp_path, samples([(9, 11)] * 3, (2, 0, 3)))
    for _ in flipped_bits(path, column, 20):
        with pytest.raises(CorruptShardError, match=re.escape(str(path))):
            [Shard(path)[index] for index in range(3)]
    done = CliRunner().invoke(cli, ["verify", str(tmp_path), "--json"], standalone_mode=False)
    assert done.return_value == 1
    (problem,) = json.loads(done.stdout)["problems"]
    named = {"mask": "züge/2.jpg#0", "mask_name": "züge/2.jpg#0", "mask_class": "züge/2.jpg#0"}
    assert (problem["shard"], problem["sample"]) == ("00000.h5", named.get(column, ""))


def test_masks_that_were_swapped_or_left_out_are_noticed(samples, tmp_path):
    path = save(tmp_path, samples([(70, 50)] * 4, (2, 2, 0, 1)))
    good = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["mask_count"][:] = (2, 1, 1, 1)
    assert Shard(path)[0].masks.shape == (2, 70, 50)
    for index in (1, 2):
        with pytest.raises(CorruptShardError, match=f"sample {index}"):
            Shard(path)[index]
    path.write_bytes(good)
    with h5py.File(path, "r+") as file:
        for name in COLUMNS:
            del file[name]
    with pytest.raises(CorruptShardError, match=r"sample 0 .* masks differ from what was written"):
        Shard(path)[0]
    assert len(Shard(path)[2].objects) == 0


#: With 3 + 0 + 2 objects in images of 6 x 5 pixels: 4 bytes a mask.
HOSTILE = {
    "no counts": (lambda file: file.__delitem__("mask_count"), "it has no mask_count"),
    "no masks": (lambda file: file.__delitem__("mask"), "it has no mask;"),
    "no names": (lambda file: file.__delitem__("mask_name"), "it has no mask_name"),
    "counts for other samples": (put("mask_count", np.array([3, 2], "<i4")), "do not fit together"),
    "counts in two columns": (put("mask_count", np.zeros((3, 2), "<i4")), "do not fit together"),
    "one count": (put("mask_count", np.int32(5)), "do not fit together"),
    "more than there are": (put("mask_count", np.array([3, 1, 2], "<i4")), "do not fit together"),
    "fewer than there are": (put("mask_count", np.array([3, 0, 1], "<i4")), "do not fit together"),
    "negative": (put("mask_count", np.array([4, -1, 2], "<i4")), "do not fit together"),
    "a sum beyond its type": (put("mask_count", np.array([2**31 - 1, 2**31 - 1, 7], "<i4")), "do not fit together"),
    "unsigned counts": (put("mask_count", np.array([3, 0, 2], "<u4")), "mask_count have an unexpected type"),
    "real counts": (put("mask_count", np.array([3, 0, 2], "<f4")), "mask_count have an unexpected type"),
    "short masks": (put("mask", np.zeros(19, "u1")), "do not fit together"),
    "long masks": (put("mask", np.zeros(24, "u1")), "do not fit together"),
    "masks as planes": (put("mask", np.zeros((5, 4), "u1")), "do not fit together"),
    "wide masks": (put("mask", np.zeros(20, "<u2")), "mask have an unexpected type"),
    "too few names": (put("mask_name", np.array([b"a"] * 4)), "do not fit together"),
    "names in two columns": (put("mask_name", np.array([[b"a"] * 5] * 2)), "do not fit together"),
    "numbers for names": (put("mask_name", np.zeros(5, "<i4")), "mask_name have an unexpected type"),
    "names of any length": (put("mask_name", ["a"] * 5), "only little-endian numbers and fixed-length text"),
    "too many classes": (put("mask_class", np.zeros(6, "<i4")), "do not fit together"),
    "text for classes": (put("mask_class", np.array([b"a"] * 5)), "mask_class have an unexpected type"),
    "no crowd flag": (put("mask_crowd", np.zeros(0, "u1")), "do not fit together"),
    "crowds that are no flags": (put("mask_crowd", np.array([0, 1, 2, 0, 0], "u1")), "do not fit together"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("sizes", [[(6, 5)] * 3, [(6, 5), (6, 4), (5, 6)]])
def test_columns_that_lead_astray_are_refused(samples, tmp_path, kind, sizes):
    path = save(tmp_path, samples(sizes, (3, 0, 2)))
    change, message = HOSTILE[kind]
    tamper(path, change)
    with pytest.raises(CorruptShardError, match=message) as caught:
        Shard(path)
    assert str(path) in str(caught.value)
