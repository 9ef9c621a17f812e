"""Tests the generators on pyramids: their outputs, the published files, frozen parts and statistics."""

import re

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from plain_networks import plain_pyramid, varied
from tensors import random_tensor
from torch import nn

from blurkit.errors import UsageError
from trainer.networks.generators import build_generator
from trainer.networks.weights import infer_spec, load_generator

#: The modules of the libraries' networks whose outputs are the five features, and how the laterals of each are padded.
INCEPTION = ("conv2d_1a", "maxpool_3a", "maxpool_5a", "mixed_6a", "mixed_7a")
INCEPTION_PADS = [(0, 1, 0, 1), (1, 1, 1, 1), (1, 2, 1, 2), (1, 1, 1, 1), (1, 1, 1, 1)]
MOBILENET = ("features.1", "features.3", "features.6", "features.10", "features.15")


def mobile(**options):
    torch.manual_seed(1)
    return build_generator({"name": "fpn", "backbone": "mobilenetv2", "width": 8, **options})


def features_of(network, places, x):
    found = {}
    for place in places:
        network.get_submodule(place).register_forward_hook(lambda *call, place=place: found.update({place: call[-1].clone()}))
    network(x)
    return [found[place] for place in places]


def with_weights(library, generator, prefix=""):
    """The library's whole network with the weights of the generator's encoder."""
    own = {f"{prefix}{name}": value for name, value in generator.backbone.state_dict().items()}
    assert set(own) <= set(library.state_dict())
    library.load_state_dict({**library.state_dict(), **own})
    return library


@pytest.mark.parametrize("statistics", ["stored", "instance"])
def test_on_mobilenet_it_is_the_published_network(statistics):
    generator = varied(mobile(statistics=statistics)).double().train()
    library = with_weights(torchvision.models.mobilenet_v2().double(), generator, "features.")
    library.train(statistics == "instance")  # the published code restores one photograph in training mode
    blurred = random_tensor(1, 3, 64, 96)
    expected = plain_pyramid(generator.state_dict(), features_of(library, MOBILENET, blurred), [(0, 0, 0, 0)] * 5, blurred)
    for mode in (True, False):
        torch.testing.assert_close(generator.train(mode)(blurred), expected, rtol=0, atol=1e-9)
    assert (expected - blurred).std() > 0.1


def test_on_inception_it_is_the_published_network():
    torch.manual_seed(1)
    generator = build_generator({"name": "fpn", "width": 8, "statistics": "instance"})
    library = with_weights(timm.create_model("inception_resnet_v2"), generator).train()
    blurred = random_tensor(1, 3, 128, 160).float()
    with torch.no_grad():
        features = features_of(library, INCEPTION, blurred)
        expected = plain_pyramid(generator.state_dict(), features, INCEPTION_PADS, blurred)
        torch.testing.assert_close(generator(blurred), expected, rtol=0, atol=1e-4)
    assert (expected - blurred).std() > 0.01
    with pytest.raises(UsageError, match="at least 128"):
        generator(blurred[:, :, :96])


def published(generator):
    """The state dictionary of a generator as the published code saves it."""
    state = {}
    for name, value in generator.state_dict().items():
        if not name.startswith("fpn.encoder."):
            state[f"module.{name}"] = value
    for number, stage in enumerate(generator.backbone.plan.stages):
        for inside, place in enumerate(stage.split()):
            layers = [layer for layer in getattr(generator.backbone, place).modules() if not list(layer.children())]
            for layer, module in enumerate(layers):  # convolution, BatchNorm, ReLU6, convolution, ...
                for name, value in module.state_dict().items():
                    inner = f"{layer}.{name}" if place == "0" else f"conv.{layer}.{name}"
                    state[f"module.fpn.features.{place}.{inner}"] = value
                    state[f"module.fpn.enc{number}.{inside}.{inner}"] = value
    for norm in ("fpn.td1.1", "smooth.1", "smooth2.1"):
        state |= {f"module.{norm}.running_mean": torch.zeros(4), f"module.{norm}.num_batches_tracked": torch.tensor(9)}
    return state | {f"module.fpn.features.{dead}.conv.0.weight": torch.zeros(3) for dead in (16, 17, 18)}


def test_the_published_file_loads_and_what_it_does_not_use_is_told(tmp_path):
    generator, blurred = varied(mobile()), random_tensor(1, 3, 64, 64).float()
    twin = mobile(statistics="instance")
    twin.load_state_dict(generator.state_dict())
    torch.save({"model": published(generator)}, tmp_path / "fpn_mobilenet.h5")
    loaded, description = load_generator(tmp_path / "fpn_mobilenet.h5")
    assert description["generator"] == {"name": "fpn", "backbone": "mobilenetv2", "width": 8, "statistics": "instance"}
    assert description["unused"] == [f"module.fpn.features.{dead}" for dead in (16, 17, 18)]
    assert torch.equal(loaded(blurred), twin.eval()(blurred))
    state = published(generator)
    del state["module.fpn.features.5.conv.3.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*fpn.encoder.5.conv.1.0.weight"):
        generator.load_state_dict(state)


def test_the_names_of_the_published_file_on_inception_are_known():
    with torch.device("meta"):  # the names alone
        generator = build_generator({"name": "fpn", "statistics": "instance"})
        inside = timm.create_model("inception_resnet_v2").state_dict()
    state = {f"module.fpn.inception.{name.replace('classif', 'last_linear')}": value for name, value in inside.items()}
    state |= {f"module.fpn.enc0.{name[10:]}": value for name, value in inside.items() if name.startswith("conv2d_1a")}
    state |= {f"module.{name}": value for name, value in generator.state_dict().items() if not name.startswith("fpn.encoder.")}
    expected = {"name": "fpn", "backbone": "inception_resnet_v2", "width": 256, "statistics": "instance"}
    assert infer_spec(state, where="") == expected
    generator.load_state_dict(state, assign=True)
    dead = {match[0].rpartition(".")[2] for name in state if (match := re.match(generator.unused, name))}
    assert dead == {"block8", "conv2d_7b", "last_linear", "repeat_2"}


def test_a_backbone_starts_from_a_file(tmp_path):
    library = varied(torchvision.models.mobilenet_v2())
    state = library.state_dict()
    torch.save(state, tmp_path / "mobilenet.pth")
    generator = mobile(weights=str(tmp_path / "mobilenet.pth"), pretrained=True)  # in place of the download
    assert torch.equal(generator.backbone.state_dict()["15.conv.3.running_var"], library.features[15].conv[3].running_var)
    torch.save({name: value for name, value in state.items() if ".7." not in name}, tmp_path / "part.pth")
    with pytest.raises(UsageError, match=r"part.pth: \d+ of 2\d\d weights are missing, the first is"):
        mobile(weights=str(tmp_path / "part.pth"))


def test_a_backbone_of_timm_starts_from_a_file(tmp_path):
    library = timm.create_model("resnet18")
    path = tmp_path / "resnet18.safetensors"
    path.write_bytes(safetensors.torch.save(library.state_dict()))
    generator = build_generator({"name": "fpn", "backbone": "resnet18", "width": 8, "weights": str(path)})
    assert torch.equal(generator.backbone.network.layer4[1].conv2.weight, library.layer4[1].conv2.weight)
    assert generator(random_tensor(1, 3, 64, 64).float()).shape == (1, 3, 64, 64)


def test_weights_that_cannot_be_downloaded_are_named(monkeypatch):
    def fails(*_, **__):
        raise OSError("no route to host\nmore")

    monkeypatch.setattr(torchvision.models, "get_model", fails)
    with pytest.raises(UsageError, match=r"of mobilenetv2 cannot be downloaded \(no route to host\); set weights to the path"):
        mobile(pretrained=True)


def test_statistics_stay_in_training():
    for statistics in ("stored", "instance"):
        generator = varied(mobile(statistics=statistics)).train()
        before = [buffer.clone() for buffer in generator.buffers()]
        generator(random_tensor(2, 3, 64, 64).float())
        assert all(torch.equal(*pair) for pair in zip(before, generator.buffers(), strict=True))
        assert not any(module.training for module in generator.modules() if isinstance(module, nn.BatchNorm2d))
