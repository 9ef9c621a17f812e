"""Tests exports of HDF5, as h5py and deepinv's own reader read them."""

import h5py
import numpy as np
import pytest
from exports import export, one_sized, unknown, write_samples

from blurkit.camera.response import load_response
from blurkit.export.deepinv import DeepinvExporter
from blurkit.shard import open_dataset


def codes(values):
    """The codes of values in [0, 1], (3, H, W) to (H, W, 3)."""
    return np.rint(np.asarray(values).transpose(1, 2, 0) * 255).astype(np.uint8)


def test_values_are_those_of_codes_divided_by_255(tmp_path, make_sample):
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 3), [unknown(make_sample(8))])
    export(tmp_path, "--to", "deepinv", "-o", "out", "--truth", "--split", "val")
    with h5py.File(tmp_path / "out/val.h5") as file:
        assert sorted(file) == ["filter_val", "x_val", "y_val"]
        assert file["filter_val"].shape == (4, 1, 5, 5)
        for number, sample in enumerate(dataset):
            for key, image in (("x_val", sample.sharp), ("y_val", sample.blurred)):
                assert np.array_equal(file[key][number], image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
            margin = (5 - len(sample.kernel)) // 2
            expected = np.pad(sample.kernel, margin) if sample.kernel.size else np.zeros((5, 5))
            assert np.array_equal(file["filter_val"][number, 0], expected)


def test_deepinv_reads_it_and_its_blur_makes_the_same_photographs(tmp_path, small_dataset):
    """Convolved by deepinv in linear light, each sharp photograph becomes the blurred one: the recipe is without noise."""
    deepinv, torch = pytest.importorskip("deepinv"), pytest.importorskip("torch")
    export(small_dataset.folder, "--to", "deepinv", "-o", tmp_path / "out", "--truth")
    file, options = str(tmp_path / "out/train.h5"), {"split": "train", "use_dict_output": True}
    pairs = deepinv.datasets.HDF5Dataset(file, load_physics_generator_params=True, **options)
    dataset, response = open_dataset(small_dataset.folder / "shards"), load_response("srgb")
    assert len(pairs) == len(dataset)
    compared = 0
    for number, sample in enumerate(dataset):
        pair = pairs[number]
        assert np.array_equal(codes(pair["x"]), sample.sharp)
        assert np.array_equal(codes(pair["y"]), sample.blurred)
        margin = len(sample.kernel) // 2
        if 2 * margin >= 40:
            continue
        middle = pair["params"]["filter"].shape[-1] // 2
        within = slice(middle - margin, middle + margin + 1)
        kernel = pair["params"]["filter"][None, :, within, within]
        light = torch.from_numpy(response.decode(codes(pair["x"])).transpose(2, 0, 1).copy())[None]
        blurred = deepinv.physics.Blur(filter=kernel, padding="valid")(light)[0].numpy().transpose(1, 2, 0)
        expected = sample.blurred[margin : 48 - margin, margin : 48 - margin].astype(int)
        assert np.abs(response.quantize(np.clip(blurred, 0, 1)) - expected).max() <= 1
        compared += expected.size > 300
    assert compared > 5
    namespace = {}
    exec(DeepinvExporter.reading.format(out=tmp_path / "out", split="train"), namespace)
    assert np.array_equal(codes(namespace["sharp"]), dataset[0].sharp)
    namespace["pairs"].close()
    pairs.close()


def test_images_of_several_sizes_are_refused(tmp_path, make_sample):
    write_samples(tmp_path / "shards", [make_sample(1), make_sample(2, 30, 20)])
    said = export(tmp_path, "--to", "deepinv", "-o", "out", code=2).stderr
    assert "one size, and this dataset has 2, from 20x30 to 50x70 pixels" in said
    assert "lmdb" in said
    assert not (tmp_path / "out").exists()
