"""Tests the metrics of other libraries against these libraries."""

import sys

import numpy as np
import piq
import pytest
import torch
import torchvision

from blurkit.errors import UsageError
from trainer.evaluation.metrics import load_metrics


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(1)
    sharp = rng.integers(0, 256, (2, 164, 170, 3), np.uint8)
    return np.clip(sharp + rng.integers(-40, 41, sharp.shape), 0, 255).astype(np.uint8), sharp


def tensors(batch):
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 for images in batch)


@pytest.mark.parametrize(
    ("name", "function"),
    [("ms_ssim", piq.multi_scale_ssim), ("fsim", piq.fsim), ("vif", piq.vif_p)],
    ids=lambda value: str(value)[:7],
)
def test_metrics_of_piq(batch, name, function):
    metric = load_metrics(name)[name]
    found = metric.measure(*batch)
    assert found == pytest.approx(function(*tensors(batch), reduction="none").numpy(), abs=1e-5)
    assert metric.measure(batch[0][1], batch[1][1]) == pytest.approx(found[1], abs=1e-5)
    assert metric.measure(batch[1][0], batch[1][0]) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UsageError, match="sides of at least"):
        metric.measure(batch[0][:, :15], batch[1][:, :15])


def test_lpips_of_torchmetrics(batch, tmp_path):
    from torchmetrics.functional.image.lpips import _LPIPS

    torch.manual_seed(1)
    network = torchvision.models.alexnet(weights=None).features
    torch.save(network.state_dict(), tmp_path / "alexnet.pth")
    metric = load_metrics(f"lpips_alex={tmp_path / 'alexnet.pth'}")["lpips_alex"]
    theirs = _LPIPS(net="alex", pnet_rand=True)
    for part in (theirs.net.slice1, theirs.net.slice2, theirs.net.slice3, theirs.net.slice4, theirs.net.slice5):
        part.load_state_dict({key: network.state_dict()[key] for key in part.state_dict()})
    x, y = (2 * images - 1 for images in tensors(batch))
    expected = theirs(x, y).flatten().numpy()
    assert metric.measure(*batch) == pytest.approx(expected, rel=1e-4)
    assert metric.measure(batch[0][0], batch[1][0]) == pytest.approx(expected[0], rel=1e-4)
    assert metric.better == -1
    with pytest.raises(UsageError, match=r"no such file; put a copy of vgg16.*--metrics lpips_vgg=PATH"):
        load_metrics(f"lpips_vgg={tmp_path / 'absent.pth'}")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    with pytest.raises(UsageError, match=r"the metric vif needs a package that is missing.*piq"):
        load_metrics("vif")
