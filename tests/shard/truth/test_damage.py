"""Tests that damaged or hostile fields, poses, saturation, moves and radii in shards are refused."""

import re

import h5py
import numpy as np
import pytest
from damage import flipped_bits, put, tamper
from masked_samples import save
from true_samples import COLUMNS

from blurkit.errors import CorruptShardError
from blurkit.shard import Shard


@pytest.mark.parametrize("column", [name for columns in COLUMNS.values() for name in columns])
def test_no_flipped_bit_goes_unnoticed(samples, tmp_path, column):
    path = save(tmp_path, samples([(9, 11)] * 3, ("npsmr", "", "npSmr")))
    for _ in flipped_bits(path, column, 12):
        with pytest.raises(CorruptShardError, match=re.escape(str(path))):
            [Shard(path)[index] for index in range(3)]


def test_what_was_left_out_is_noticed(samples, tmp_path):
    path = save(tmp_path, samples([(70, 50)] * 6, ("n", "p", "s", "m", "r", "")))
    good = path.read_bytes()
    for index, columns in enumerate(COLUMNS.values()):
        path.write_bytes(good)
        with h5py.File(path, "r+") as file:
            for name in columns:
                del file[name]
        with pytest.raises(CorruptShardError, match=rf"sample {index} .* field, poses, saturation or masks differ"):
            Shard(path)[index]
        Shard(path)[5]


def at(place, value):
    return lambda values: np.concatenate([values[:place], np.array([value], values.dtype), values[place + 1 :]])


#: On three samples, of which the second has nothing.
HOSTILE = {
    "no counts": (lambda file: file.__delitem__("node_rows"), "it has no node_rows"),
    "no taps": (lambda file: file.__delitem__("tap_place"), "it has no tap_place"),
    "no poses": (lambda file: file.__delitem__("pose"), "it has no pose;"),
    "no flags": (lambda file: file.__delitem__("saturation_stored"), "it has no saturation_stored"),
    "rows without columns": (put("node_rows", at(1, 1)), "do not fit together"),
    "a negative lattice": (put("node_rows", at(0, -2)), "do not fit together"),
    "a lattice beyond its nodes": (put("node_columns", at(2, 2**31 - 1)), "do not fit together"),
    "lattices for other samples": (put("node_rows", lambda values: values[:2]), "do not fit together"),
    "a reach of no field": (put("node_reach", at(1, 3)), "do not fit together"),
    "a negative reach": (put("node_reach", at(0, -1)), "do not fit together"),
    "real reaches": (put("node_reach", lambda values: values.astype("<f4")), "node_reach have an unexpected type"),
    "too few nodes": (put("node_y", lambda values: values[1:]), "do not fit together"),
    "nodes in two columns": (put("node_x", lambda values: np.stack([values] * 2)), "do not fit together"),
    "a node without a count": (put("tap_count", lambda values: values[1:]), "do not fit together"),
    "a negative count": (put("tap_count", lambda values: at(0, -1)(at(1, values[0] + values[1] + 1)(values))), "do not fit"),
    "a sum beyond its type": (put("tap_count", lambda values: np.full_like(values, 2**31 - 1)), "do not fit together"),
    "counts in two columns": (put("tap_count", lambda values: values[:, None]), "do not fit together"),
    "too many taps": (put("tap_weight", lambda values: np.append(values, values[:1])), "do not fit together"),
    "places in three columns": (put("tap_place", lambda values: np.zeros((len(values), 3), "<i2")), "do not fit together"),
    "wide places": (put("tap_place", lambda values: values.astype("<i4")), "tap_place have an unexpected type"),
    "more poses than there are": (put("pose_length", at(1, 1)), "do not fit together"),
    "fewer than none": (put("pose_length", lambda values: values + np.array([1, -1, 0], "<i4")), "do not fit together"),
    "flat poses": (put("pose", np.ravel), "do not fit together"),
    "flags that are none": (put("saturation_stored", at(0, 2)), "do not fit together"),
    "a map too many": (put("saturation_stored", at(1, 1)), "do not fit together"),
    "a short map": (put("saturation", lambda values: values[1:]), "do not fit together"),
    "maps of planes": (put("saturation", lambda values: values[None]), "do not fit together"),
    "no moves": (lambda file: file.__delitem__("move_kernel"), "it has no move_kernel"),
    "a negative count of moves": (put("move_count", at(0, -2)), "do not fit together"),
    "moves of nothing": (put("move_length", at(1, 3)), "do not fit together"),
    "a number below all objects": (put("move_object", at(0, -1)), "do not fit together"),
    "a path too short": (put("move_path", lambda values: values[1:]), "do not fit together"),
    "paths in space": (put("move_path", lambda values: np.zeros((len(values), 3), "<f4")), "do not fit together"),
    "kernels beyond the file": (put("move_size", at(0, 2**31 - 1)), "do not fit together"),
    "kernels of integers": (put("move_kernel", lambda values: values.astype("<i4")), "move_kernel have an unexpected type"),
    "a radius too many": (put("radius_stored", at(1, 1)), "do not fit together"),
    "half a radius": (put("radius", lambda values: values[1:]), "do not fit together"),
    "radii that are no flags": (put("radius_stored", at(0, 2)), "do not fit together"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("sizes", [[(6, 5)] * 3, [(6, 5), (6, 4), (5, 6)]])
def test_columns_that_lead_astray_are_refused(samples, tmp_path, kind, sizes):
    path = save(tmp_path, samples(sizes, ("npsmr", "", "npsmr")))
    change, message = HOSTILE[kind]
    tamper(path, change)
    with pytest.raises(CorruptShardError, match=message) as caught:
        Shard(path)
    assert str(path) in str(caught.value)
