"""Tests the generators of the field: their sizes, and their outputs against plain functions of their weights."""

import pytest
import torch
import torch.nn.functional as F
from plain_networks import plain_dense, plain_ird, plain_nafnet, plain_poster, plain_unet, varied
from tensors import random_tensor
from torch.utils.flop_counter import FlopCounterMode

from blurkit.errors import UsageError
from trainer.networks.build import channels_last
from trainer.networks.generators import build_generator

SMALL = {
    "ird": {"width": 4},
    "dense": {"rate": 3},
    "poster": {"rate": 3, "variant": "poster"},
    "unet": {"width": 3},
    "nafnet": {"width": 4, "encoder": [1, 2], "middle": 2, "decoder": [0, 1]},
    "bifpn": {"width": 8, "statistics": "instance"},
}


def small(name):
    torch.manual_seed(1)
    network = build_generator({"name": "dense" if name == "poster" else name, **SMALL[name]})
    return varied(network).double().eval()


@pytest.mark.parametrize(
    ("spec", "count", "gmac"),
    [
        ({"name": "ird"}, 5_343_683, 24.82),
        ({"name": "dense", "rate": 64}, 3_263_363, 213.2),
        ({"name": "dense", "rate": 32, "variant": "poster"}, 768_384, 50.3),
        ({"name": "unet"}, 7_697_475, 36.8),
        ({"name": "nafnet", "width": 32}, 17_111_907, 15.96),
        ({"name": "nafnet", "width": 64}, 67_888_835, 63.05),
        ({"name": "fpn", "backbone": "mobilenetv2", "pretrained": False}, 2_106_627, 2.71),
        ({"name": "fpn", "backbone": "inception_resnet_v2", "pretrained": False}, 35_840_099, 17.52),
    ],
)
def test_sizes_are_those_published(spec, count, gmac):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        generator = build_generator(spec)
        assert generator(torch.empty(1, 3, 256, 256)).shape == (1, 3, 256, 256)
    assert sum(parameter.numel() for parameter in generator.parameters()) == count
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.05)


@pytest.mark.parametrize(
    ("name", "plain"), [("ird", plain_ird), ("dense", plain_dense), ("poster", plain_poster), ("unet", plain_unet)]
)
def test_outputs_are_those_of_the_plain_network(name, plain):
    generator, blurred = small(name), random_tensor(2, 3, 24, 16)
    restored = generator(blurred)
    torch.testing.assert_close(restored, plain(generator, blurred), rtol=0, atol=1e-10)
    assert restored.std() > 0.1


def test_nafnet_is_the_published_network_on_another_range():
    generator, blurred = small("nafnet"), random_tensor(2, 3, 24, 16) / 2
    restored = generator(blurred)
    plain = plain_nafnet(generator.state_dict(), (blurred + 1) / 2, [1, 2], 2, [0, 1])
    torch.testing.assert_close(restored, (2 * plain - 1).clamp(-1, 1), rtol=0, atol=1e-10)
    assert (restored - blurred).std() > 0.1


def test_nafnets_attention_of_a_large_photograph_comes_from_a_window():
    torch.manual_seed(1)
    generator = varied(build_generator({"name": "nafnet", **SMALL["nafnet"], "window": 8})).double()

    def local(y, level):
        window = 8 >> level
        sides = [min(window, side) for side in y.shape[2:]]
        means = F.avg_pool2d(y, sides, 1)
        down, right = (side - mean for side, mean in zip(y.shape[2:], means.shape[2:], strict=True))
        return F.pad(means, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")

    for shape in ((24, 16), (8, 12), (4, 4)):
        blurred = random_tensor(1, 3, *shape) / 2
        plain = plain_nafnet(generator.state_dict(), (blurred + 1) / 2, [1, 2], 2, [0, 1], local)
        torch.testing.assert_close(generator(blurred), (2 * plain - 1).clamp(-1, 1), rtol=0, atol=1e-10)


def test_nafnet_starts_near_the_photograph():
    generator, blurred = build_generator({"name": "nafnet", **SMALL["nafnet"]}), random_tensor(1, 3, 8, 8).float()
    plain = blurred + 2 * generator.ending(generator.decoders[1](_ups(generator, blurred)))
    torch.testing.assert_close(generator(blurred), plain.clamp(-1, 1))


def _ups(generator, blurred):
    """The features of the last level, with blocks that are still identities."""
    full = generator.intro((blurred + 1) / 2)
    half = generator.downs[0](full)
    return full + generator.ups[1](half + generator.ups[0](generator.downs[1](half)))


@pytest.mark.parametrize("name", SMALL)
def test_every_generator_trains_restores_and_takes_other_formats(name):
    generator, side = small(name), 64 if name == "bifpn" else 16
    blurred = random_tensor(2, 3, side, side + generator.multiple) / 2
    expected = generator(blurred)
    assert expected.shape == blurred.shape
    assert expected.abs().max() <= 1
    assert torch.allclose(generator(blurred[1:]), expected[1:], rtol=0, atol=1e-9)  # no layer mixes samples in restoration
    assert torch.allclose(channels_last(generator)(blurred), expected, rtol=0, atol=1e-9)
    generator, blurred = generator.float(), blurred.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert generator(blurred).dtype == torch.float32
    generator.train()(blurred).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())
    with pytest.raises(UsageError, match="the generator needs heights and widths"):
        generator(blurred[:, :, : generator.least - 1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "dense", "variant": "postr"}, "did you mean 'poster'"),
        ({"name": "nafnet", "encoder": [1, 1]}, "encoder has 2 levels and generator.decoder 4"),
        ({"name": "nafnet", "encoder": 3}, r"generator.encoder takes a value like \[1, 1, 1, 28\], got 3"),
        ({"name": "nafnet", "encoder": ["a"]}, "generator.encoder takes a value like 1, got 'a'"),
        ({"name": "nafent"}, "did you mean 'nafnet'"),
        ({"name": "fpn", "backbone": "resnet1"}, "timm has no network 'resnet1'; did you mean"),
        ({"name": "fpn", "backbone": "convnext_atto"}, "convnext_atto has no features at 1/2"),
        ({"name": "fpn", "backbone": "mobilenetv2", "statistics": "batch"}, "statistics is one of stored, instance"),
        ({"name": "fpn", "backbone": "mobilenetv2", "freeze": -1}, "generator.freeze is a number of steps"),
    ],
)
def test_invalid_specifications_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        build_generator(spec)
