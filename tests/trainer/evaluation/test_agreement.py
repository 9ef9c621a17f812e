"""Tests the agreement of segmentations and detections against plain counting."""

import numpy as np
import pytest
import torch
import torchvision
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.evaluation.agreement import f1, iou, load_network
from trainer.evaluation.metrics import load_metrics


def plain_iou(one, other):
    shares = []
    for label in range(21):
        both, either = ((one == label) & (other == label)).sum(), ((one == label) | (other == label)).sum()
        shares += [both / either] if either else []
    return np.mean(shares)


def test_iou_is_counted_plainly(rng):
    for classes in (2, 5, 21):
        one, other = rng.integers(0, classes, (2, 12, 17))
        assert iou(torch.from_numpy(one), torch.from_numpy(other)).item() == pytest.approx(plain_iou(one, other), rel=1e-12)
    zeros = torch.zeros(3, 4, dtype=torch.int64)
    assert iou(zeros, zeros) == 1
    assert iou(zeros, zeros + 7) == 0


def test_a_network_of_your_own_is_compared_on_both_images(rng):
    metric = load_metrics("seg_iou=seeing_networks:Thirds")["seg_iou"]
    batch = rng.integers(0, 256, (2, 2, 20, 30, 3), np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    brightness = ((batch / 255 - mean) / deviation).mean(-1)
    classes = np.stack((0.5 - brightness, brightness * 0, brightness - 0.7)).argmax(0)
    expected = [plain_iou(*pair) for pair in zip(*classes, strict=True)]
    assert metric.measure(*batch) == pytest.approx(expected, rel=1e-6)
    assert metric.measure(batch[1], batch[1]).tolist() == [1, 1]


def boxes(*rows):
    values = torch.tensor(rows, dtype=torch.float32).view(-1, 6)
    return {"boxes": values[:, :4], "labels": values[:, 4].long(), "scores": values[:, 5]}


def test_f1_counts_boxes_that_agree_once():
    true = boxes((0, 0, 10, 10, 1, 0.9), (20, 0, 30, 10, 2, 0.8), (50, 0, 60, 10, 1, 0.4))
    assert f1(true, true) == 1  # the faint box counts on neither side
    assert f1(boxes(), boxes()) == 1
    assert f1(boxes(), true) == 0
    assert f1(boxes((0, 0, 10, 10, 2, 0.9)), true) == 0  # another class
    assert f1(boxes((0, 0, 10, 4, 1, 0.9)), true) == 0  # too small an overlap
    assert f1(boxes((0, 0, 10, 6, 1, 0.9)), true).item() == pytest.approx(2 / 3)
    assert f1(boxes((0, 0, 10, 9, 1, 0.9), (0, 1, 10, 10, 1, 0.7)), true).item() == pytest.approx(2 / 4)  # one of two


def test_detections_on_both_images():
    metric = load_metrics("detection_f1=seeing_networks:Fixed")["detection_f1"]
    bright, dark = np.full((12, 12, 3), 250, np.uint8), np.full((12, 12, 3), 5, np.uint8)
    assert metric.measure(np.stack((bright, dark)), np.stack((bright, bright))).tolist() == [1, 0]


def test_networks_of_torchvision_with_weights_of_a_file(tmp_path):
    torch.manual_seed(1)
    network = torchvision.models.get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    loaded = load_network("seg_iou", f"lraspp_mobilenet_v3_large@{tmp_path / 'weights.pth'}")
    images = random_tensor(1, 3, 32, 32).float()
    assert torch.equal(loaded.eval()(images)["out"], network.eval()(images)["out"])
    assert len(load_metrics(f"seg_iou=lraspp_mobilenet_v3_large@{tmp_path / 'weights.pth'}")) == 1
    for given, message in {
        "lraspp_mobilenet": "did you mean 'lraspp_mobilenet_v3_large'",
        f"fcn_resnet50@{tmp_path / 'absent.pth'}": "no such file",
        "no_such_module:Maker": "No module named 'no_such_module'.*seg_iou=NETWORK@FILE",
        "seeing_networks:Absent": "Absent",
    }.items():
        with pytest.raises(UsageError, match=message):
            load_network("seg_iou", given)
    with pytest.raises(UsageError, match="unknown detection network"):
        load_network("detection_f1", "fcn_resnet50")
