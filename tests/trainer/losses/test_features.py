"""Tests the perceptual loss and its networks, with torchvision's layers and random weights."""

import urllib.error

import pytest
import torch
import torchvision
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.losses.content import build_content
from trainer.losses.features import features
from trainer.sections import ContentWeights


@pytest.fixture(scope="module")
def published():
    """The first layers of the VGG-19 of torchvision, with random weights. The other layers are never allocated."""
    with torch.device("meta"):
        features = torchvision.models.vgg19(weights=None).features[:15]
    torch.manual_seed(4)
    features.to_empty(device="cpu")
    for parameter in features.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    return features


@pytest.fixture(scope="module")
def weights_file(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19-random.pth"
    state = {f"features.{name}": value for name, value in published.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2)}, path)
    return path


def test_perceptual_is_the_mean_square_of_features_14(published, weights_file):
    restored, sharp = random_tensor(2, 3, 16, 24, seed=1).requires_grad_(), random_tensor(2, 3, 16, 24, seed=2).requires_grad_()
    content = build_content(ContentWeights(vgg_weights=str(weights_file))).double()
    losses = content(restored, sharp)
    plain = published.double()
    expected = (plain(restored) - plain(sharp)).square().mean()
    assert losses["perceptual"].item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.autograd.grad(losses["perceptual"], sharp, retain_graph=True, allow_unused=True) == (None,)
    gradients = [torch.autograd.grad(loss, restored)[0] for loss in (losses["perceptual"], expected)]
    assert torch.allclose(*gradients, rtol=0, atol=1e-12)
    published.float()


def test_the_features_are_frozen_and_names_need_no_prefix(published, tmp_path):
    torch.save(published.state_dict(), tmp_path / "features.pth")
    before = torch.get_rng_state()
    content = build_content(ContentWeights(vgg_weights=str(tmp_path / "features.pth")))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(parameter.requires_grad for parameter in content.parameters())
    (network,) = content.networks
    assert torch.equal(network.network[14].weight, published[14].weight)
    assert [str(layer) for layer in network.network] == [str(layer) for layer in published]


def test_bfloat16_features_give_a_float32_loss(weights_file):
    content = build_content(ContentWeights(l1=1, vgg_weights=str(weights_file)))
    restored, sharp = random_tensor(1, 3, 16, 16, seed=1).float(), random_tensor(1, 3, 16, 16, seed=2).float()
    exact = content(restored, sharp)
    with torch.autocast("cpu", torch.bfloat16):
        losses = content(restored.bfloat16(), sharp)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert losses["perceptual"].item() != exact["perceptual"].item()
    assert losses["perceptual"].item() == pytest.approx(exact["perceptual"].item(), rel=0.02)


def test_missing_weights_name_both_remedies(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(
        UsageError, match=r"no route to host.*put a copy of vgg19-dcbb9e9d.pth at .*content.vgg_weights=PATH, or train without"
    ):
        build_content(ContentWeights())
    with pytest.raises(UsageError, match=r"absent.pth: no such file; put a copy"):
        build_content(ContentWeights(vgg_weights=str(tmp_path / "absent.pth")))


def test_the_weights_of_torchvision_are_downloaded_with_a_digest(monkeypatch, published):
    asked = {}

    def download(url, **options):
        asked.update(options, url=url)
        return {f"features.{name}": value for name, value in published.state_dict().items()}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    assert torch.equal(features("vgg19", [14]).network[0].weight, published[0].weight)
    assert asked["url"] == torchvision.models.VGG19_Weights.IMAGENET1K_V1.url
    assert asked["check_hash"]
    assert asked["weights_only"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not weights", "cannot be read as weights.*; put a copy"),
        ([1, 2], "holds a list"),
        ({"features.0.weight": 3}, "'features.0.weight' is missing; put a copy"),
        ({}, "'features.0.weight' is missing"),
        ("wrong shape", "no weights of vgg19.*size mismatch for 0.weight"),
    ],
)
def test_files_without_weights_of_vgg_are_refused(published, tmp_path, content, message):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({**published.state_dict(), "0.weight": torch.zeros(3)} if content == "wrong shape" else content, path)
    with pytest.raises(UsageError, match=message):
        build_content(ContentWeights(vgg_weights=str(path)))
