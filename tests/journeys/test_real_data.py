"""Tests on real data: photographed blur, measured kernels, and ordinary photographs."""

import numpy as np
import pytest
from first_shard import make_first_shard
from json_lines import read_lines
from kernels import centroid
from packaged import COUNT
from psnr import psnr_up_to_a_shift
from scipy.io import loadmat

from blurkit.blurring.convolve import blur
from blurkit.kernels.bank import KernelBank
from blurkit.pipeline.plan import make_plan
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.shard import open_dataset
from blurkit.sources import open_source


@pytest.mark.parametrize("image", [1, 2])
@pytest.mark.parametrize("kernel", range(1, 9))
def test_photographed_camera_shake_is_reproduced(test_data, image, kernel):
    """Levin et al. (2009): their kernels are meant for correlation, so convolution takes them turned by 180 degrees."""
    path = test_data / "blurred_pairs" / "levin09" / f"im{image:02d}_ker{kernel:02d}.mat"
    data = {name: value.astype(np.float32) for name, value in loadmat(path).items() if not name.startswith("_")}
    turned = np.ascontiguousarray(np.rot90(data["f"], 2))
    right = psnr_up_to_a_shift(blur(data["x"], turned), data["y"])
    assert right > 37.5
    assert right > psnr_up_to_a_shift(blur(data["x"], data["f"]), data["y"]) + 2


def test_measured_kernels_make_pairs(test_data, tmp_path):
    bank = test_data / "blurred_pairs" / "kernels" / "Levin09.mat"
    settings = Settings(load_recipe("bank", [f"kernels={bank}"]), size=(128, 128))
    plan = make_plan(open_source("sample"), settings)
    make_first_shard(plan, tmp_path)
    dataset = open_dataset(tmp_path / "00000.h5")
    assert len(dataset) == COUNT
    assert len(KernelBank.load(bank)) == 8
    for pair in dataset:
        assert np.abs(centroid(pair.kernel)).max() < 0.02


def test_photographs_as_people_have_them(test_data, tmp_path):
    source = open_source(str(test_data / "photos"))
    plan = make_plan(source, Settings(load_recipe("clean"), size=(320, 320)))
    record = make_first_shard(plan, tmp_path)
    too_small = [failure for failure in record["failures"] if failure["reason"] == "too_small"]
    assert record["samples"] + sum(failure["items"] for failure in record["failures"]) == plan.pairs
    assert record["failures"] == too_small
    assert read_lines(tmp_path / "ledger.jsonl") == too_small
    assert {"manifest.csv", "ATTRIBUTION.md"} <= {entry.id for entry in source.passed_over}
