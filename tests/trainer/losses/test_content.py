"""Tests the content losses against numpy, torchvision and torchmetrics, with random weights."""

import numpy as np
import pytest
import torch
import torchvision
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.losses.content import LAYERS, TERMS, build_content
from trainer.losses.features import DEVIATION, MEAN, Features, Imagenet, features
from trainer.losses.lpips import NETWORKS, build_lpips
from trainer.sections import ContentWeights

PIXELS = ("l1", "mse", "charbonnier", "psnr", "smoothness", "fourier")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of random weights of the first layers of each network, by name. Networks are small enough for a test."""
    folder, files = tmp_path_factory.mktemp("weights"), {}
    for name, last in {"vgg19": 7, "vgg16": 15, "mobilenet_v2": 2, "alexnet": 11}.items():
        torch.manual_seed(5)
        with torch.device("meta"):
            network = torchvision.models.get_model(name, weights=None).features[: last + 1]
        network.to_empty(device="cpu")
        for value in network.state_dict().values():
            if value.dtype.is_floating_point:
                torch.nn.init.uniform_(value, 0.02, 0.1) if value.ndim == 1 else torch.nn.init.normal_(value, 0, 0.1)
        files[name] = folder / f"{name}.pth"
        torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, files[name])
    return files


def only(**weights):
    return ContentWeights(**({"perceptual": 0.0} | weights))


def test_every_weight_has_a_term_and_the_other_way_round():
    settings = only(**dict.fromkeys(TERMS, 1.0))
    assert set(settings.terms) == set(TERMS)


def numpy_terms(restored, sharp):
    difference = restored - sharp
    terms = {"l1": abs(difference).mean(), "mse": (difference**2).mean(), "charbonnier": ((difference**2 + 1e-6) ** 0.5).mean()}
    terms["psnr"] = np.mean([10 * np.log10((pair**2).mean() / 2**2 + 1e-8) for pair in difference])
    steps = [[np.abs(image[..., 1:, :] - image[..., :-1, :]) for image in (restored, sharp)]]
    steps.append([np.abs(image[..., 1:] - image[..., :-1]) for image in (restored, sharp)])
    terms["smoothness"] = np.mean([(np.exp(-there) * here).mean() for here, there in steps])
    height, width = restored.shape[2:]  # the transform as a product with the matrix of its definition
    rows, columns = (np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) / n**0.5 for n in (height, width))
    x, y = (np.abs(rows @ image @ columns) for image in (restored, sharp))
    return {**terms, "fourier": ((x - y) ** 2).mean()}


def test_terms_of_pixels_are_their_definitions():
    restored, sharp = random_tensor(2, 3, 6, 5, seed=1), random_tensor(2, 3, 6, 5, seed=2)
    content = build_content(only(l1=2.0, mse=3.0, charbonnier=0.5, psnr=6.0, smoothness=4.0, fourier=7.0))
    losses = content(restored, sharp)
    expected = numpy_terms(restored.numpy(), sharp.numpy())
    assert {term: loss.item() for term, loss in losses.items()} == pytest.approx(expected, rel=1e-12)
    assert content.weights == {"l1": 2.0, "mse": 3.0, "charbonnier": 0.5, "psnr": 6.0, "smoothness": 4.0, "fourier": 7.0}
    assert not content.networks


@pytest.mark.parametrize("term", PIXELS)
def test_terms_of_pixels_have_true_gradients_and_stay_in_single_precision(term):
    restored, sharp = random_tensor(1, 3, 4, 5, seed=1).requires_grad_(), random_tensor(1, 3, 4, 5, seed=2)
    content = build_content(only(**{term: 1.0}))
    assert torch.autograd.gradcheck(lambda images: content(images, sharp)[term], restored, atol=1e-6)
    assert torch.autograd.grad(content(restored, sharp)[term], restored)[0].abs().min() > 0 or term == "smoothness"
    single = [images.detach().float() for images in (restored, sharp)]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(content(*single)[term], build_content(only(**{term: 1.0}))(*single)[term])
        assert content(single[0].bfloat16(), single[1])[term].dtype == torch.float32


def test_equal_photographs_have_finite_gradients():
    for term in PIXELS:
        restored = random_tensor(1, 3, 4, 4).requires_grad_()
        build_content(only(**{term: 1.0}))(restored, restored.detach())[term].backward()
        assert restored.grad.isfinite().all()
        assert term == "smoothness" or restored.grad.abs().max() < 1e-12
    black = torch.zeros(1, 3, 4, 4, requires_grad=True)
    build_content(only(fourier=1.0))(black, random_tensor(1, 3, 4, 4).float())["fourier"].backward()
    assert black.grad.isfinite().all()


def test_mse_of_imagenets_scale_is_that_of_the_code_of_deblurgan_v2():
    """2.448 = 0.5 x 4.896: half the mean squared difference of normalised images, for equal differences in R, G and B."""
    sharp = random_tensor(2, 3, 4, 5) / 2
    loss = build_content(only(mse=0.5, mse_input="imagenet"))(sharp + 0.1, sharp)["mse"]
    assert 0.5 * loss.item() / 0.01 == pytest.approx(2.448, abs=1e-3)
    normalised = torchvision.transforms.functional.normalize((sharp + 1) / 2, MEAN, DEVIATION)
    assert torch.allclose(Imagenet().double()(sharp), normalised, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "half-sum"])
@pytest.mark.parametrize("scaling", ["raw", "imagenet"])
def test_several_layers_are_those_of_torchvision(weights, reduction, scaling):
    restored, sharp = random_tensor(2, 3, 16, 20, seed=1).requires_grad_(), random_tensor(2, 3, 16, 20, seed=2)
    settings = ContentWeights(
        perceptual_layers=(2, 3, 7), perceptual_input=scaling, perceptual_reduction=reduction, vgg_weights=str(weights["vgg19"])
    )
    content = build_content(settings).double()
    network = torchvision.models.vgg.make_layers([64, 64, "M", 128, 128])[:8].double()
    network.load_state_dict({key.removeprefix("features."): value for key, value in torch.load(weights["vgg19"]).items()})
    for layer in network:
        layer.inplace = False
    scale = Imagenet().double() if scaling == "imagenet" else torch.nn.Identity()

    def plain(images):
        found, images = [], scale(images)
        for layer in network:
            images = layer(images)
            found.append(images)
        return [found[number] for number in (2, 3, 7)]

    distances = [(x - y).square().mean() for x, y in zip(plain(restored), plain(sharp), strict=True)]
    expected = sum(distances) / (2 if reduction == "half-sum" else 3)
    loss = content(restored, sharp)["perceptual"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    gradients = [torch.autograd.grad(each, restored)[0] for each in (loss, expected)]
    assert torch.allclose(*gradients, rtol=1e-6, atol=1e-12)
    assert gradients[0].abs().sum() > 0


def test_an_activation_in_place_does_not_change_the_layer_before_it():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(inplace=True), torch.nn.Conv2d(4, 4, 3))
    images = random_tensor(1, 3, 8, 8).float()
    before = network[0](images)
    assert before.min() < 0
    assert torch.equal(Features(network, [0, 2])(images)[0], before)


@pytest.mark.parametrize(("name", "layers"), [("vgg16", ()), ("mobilenet_v2", (1, 2))])
def test_other_networks_are_those_of_torchvision(weights, name, layers):
    settings = ContentWeights(perceptual_network=name, perceptual_layers=layers, vgg_weights=str(weights[name]))
    restored, sharp = random_tensor(1, 3, 32, 32, seed=1).float().requires_grad_(), random_tensor(1, 3, 32, 32, seed=2).float()
    loss = build_content(settings)(restored, sharp)["perceptual"]
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None).features[: (layers or LAYERS[name])[-1] + 1]
    network = network.to_empty(device="cpu").eval()
    network.load_state_dict({key.removeprefix("features."): value for key, value in torch.load(weights[name]).items()})
    plain = [(network[: n + 1](restored) - network[: n + 1](sharp)).square().mean() for n in layers or LAYERS[name]]
    assert loss.item() == pytest.approx(torch.stack(plain).mean().item(), rel=1e-5)
    loss.backward()
    assert restored.grad.abs().sum() > 0


def test_layers_that_a_network_does_not_have_are_refused_before_weights_are_read(weights):
    with pytest.raises(UsageError, match="the layers of vgg19 are numbers from 0 to 36, got 40"):
        build_content(ContentWeights(perceptual_layers=(2, 40), vgg_weights=str(weights["vgg19"])))
    with pytest.raises(UsageError, match="numbers from 0 on"):
        features("vgg19", [-1], str(weights["vgg19"]))
    with pytest.raises(UsageError, match="did you mean 'vgg16'"):
        ContentWeights(perceptual_network="vgg6")


def test_lpips_is_that_of_torchmetrics(weights):
    from torchmetrics.functional.image.lpips import _LPIPS

    restored, sharp = random_tensor(2, 3, 64, 48, seed=1).float().requires_grad_(), random_tensor(2, 3, 64, 48, seed=2).float()
    ours = build_lpips("alexnet", str(weights["alexnet"]), remedy="")
    theirs = _LPIPS(net="alex", pnet_rand=True)
    state = torch.load(weights["alexnet"])
    for part in (theirs.net.slice1, theirs.net.slice2, theirs.net.slice3, theirs.net.slice4, theirs.net.slice5):
        part.load_state_dict({key: state[f"features.{key}"] for key in part.state_dict()})
    expected = theirs(restored, sharp).flatten()
    found = ours(restored, sharp)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    gradients = [torch.autograd.grad(each.sum(), restored)[0] for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-7)
    content = build_content(only(lpips=145.0, lpips_weights=str(weights["alexnet"])))
    assert content(restored, sharp)["lpips"].item() == pytest.approx(expected.mean().item(), rel=1e-5)
    assert len(content.networks) == 1


def test_lpips_of_vgg_has_the_layers_and_channels_of_torchmetrics():
    from torchmetrics.functional.image.lpips import _LPIPS

    with torch.device("meta"):
        theirs = _LPIPS(net="vgg", pnet_rand=True, pretrained=False)
    parts = [theirs.net.slice1, theirs.net.slice2, theirs.net.slice3, theirs.net.slice4, theirs.net.slice5]
    assert tuple(int(list(dict(part.named_children()))[-1]) for part in parts) == NETWORKS["vgg16"][1]
    with pytest.raises(UsageError, match=r"absent.pth: no such file.*use this"):
        build_lpips("vgg16", "absent.pth", remedy="use this")


def test_half_precision_features_give_a_single_precision_loss(weights):
    content = build_content(only(lpips=1.0, lpips_weights=str(weights["alexnet"])))
    restored, sharp = random_tensor(1, 3, 64, 64, seed=1).float(), random_tensor(1, 3, 64, 64, seed=2).float()
    exact = content(restored, sharp)["lpips"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = content(restored.bfloat16(), sharp)["lpips"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
