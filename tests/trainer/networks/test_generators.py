"""Tests generators against the network published in 2018, written here as a plain function of its parameters."""

import sys

import pytest
import torch
import torch.nn.functional as F
from tensors import random_tensor
from torch.utils.flop_counter import FlopCounterMode

from blurkit.errors import UsageError
from trainer.networks.build import KeepingNorm, channels_last
from trainer.networks.generators import build_generator


def plain_norm(x):
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def plain_resnet(parameters, x, blocks):
    """The generator of DeblurGAN without dropout."""
    parameters = iter(parameters)

    def convolved(x, **options):
        return F.conv2d(x, next(parameters), next(parameters), **options)

    def reflected(x, margin):
        return F.pad(x, (margin,) * 4, mode="reflect")

    y = plain_norm(convolved(reflected(x, 3))).relu()
    for _ in range(2):
        y = plain_norm(convolved(y, stride=2, padding=1)).relu()
    for _ in range(blocks):
        inner = plain_norm(convolved(reflected(y, 1))).relu()
        y = y + plain_norm(convolved(reflected(inner, 1)))
    for _ in range(2):
        y = F.conv_transpose2d(y, next(parameters), next(parameters), stride=2, padding=1, output_padding=1)
        y = plain_norm(y).relu()
    y = convolved(reflected(y, 3)).tanh()
    assert next(parameters, None) is None
    return torch.clamp(x + y, -1, 1)


def small(**options):
    torch.manual_seed(1)
    return build_generator({"name": "resnet", "blocks": 2, "width": 4, **options}).double()


@pytest.mark.parametrize(("blocks", "count", "gmac"), [(9, 11_378_179, 49.55), (6, 7_837_699, 35.06)])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_sizes_are_those_published(blocks, count, gmac, upsampling):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        generator = build_generator({"name": "resnet", "blocks": blocks, "upsampling": upsampling})
        generator(torch.empty(1, 3, 256, 256))
    assert sum(parameter.numel() for parameter in generator.parameters()) == count
    if upsampling == "transposed":
        assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.005)


def test_names_are_those_published():
    with torch.device("meta"):
        names = list(build_generator({"name": "resnet"}).state_dict())
    layers = ["1", "4", "7", *(f"{block}.conv_block.{inner}" for block in range(10, 19) for inner in (1, 6)), "19", "22", "26"]
    assert names == [f"model.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_outputs_are_those_of_the_published_network():
    generator = small().eval()
    for parameter in generator.parameters():  # large weights, so that every layer and the clamp affect the output
        torch.nn.init.normal_(parameter, 0, 0.3)
    blurred = random_tensor(2, 3, 24, 16)
    restored = generator(blurred)
    expected = plain_resnet(generator.parameters(), blurred, blocks=2)
    assert torch.allclose(restored, expected, rtol=0, atol=1e-12)
    assert restored.abs().max() == 1
    assert (restored - blurred).abs().median() > 0.1


def test_gradients_are_those_of_the_published_network():
    generator, blurred = small(dropout=0.0), random_tensor(1, 3, 16, 16)
    weights = random_tensor(1, 3, 16, 16)
    ours = torch.autograd.grad((generator(blurred) * weights).sum(), list(generator.parameters()))
    plain = torch.autograd.grad((plain_resnet(generator.parameters(), blurred, 2) * weights).sum(), list(generator.parameters()))
    assert max((a - b).abs().max() for a, b in zip(ours, plain, strict=True)) < 1e-12


def test_initial_weights_are_the_published_ones():
    generator = build_generator({"name": "resnet", "blocks": 1})
    named = list(generator.named_parameters())
    weights = torch.cat([parameter.detach().flatten() for name, parameter in named if name.endswith("weight")])
    assert abs(weights.mean()) < 1e-4
    assert weights.std() == pytest.approx(0.02, rel=0.005)
    assert not any(parameter.any() for name, parameter in named if name.endswith("bias"))
    torch.manual_seed(1)
    twin = build_generator({"name": "resnet", "blocks": 2, "width": 4}).double()
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), small().parameters(), strict=True))


def test_dropout_is_active_in_training_and_with_mc_dropout():
    blurred = random_tensor(1, 3, 16, 16)
    assert torch.equal(small().eval()(blurred), small(dropout=0.0)(blurred))
    kept = []
    for generator in (small().train(), small(mc_dropout=True).eval()):
        assert not torch.equal(generator(blurred), generator(blurred))
        block = generator.model[10].conv_block
        block[4].register_forward_hook(lambda module, inputs, output: kept.append((inputs[0] > 0, output / inputs[0])))
        generator(random_tensor(1, 3, 64, 64))
    for positive, ratio in kept:
        assert ratio[positive].unique().tolist() == pytest.approx([0, 2])
        assert (ratio[positive] == 0).double().mean() == pytest.approx(0.5, abs=0.05)


def test_resize_is_a_nearest_neighbour_enlargement_then_a_convolution():
    generator = small(upsampling="resize")
    layer, features = generator.model[12], random_tensor(1, 16, 4, 6)
    enlarged = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    weight, bias = layer.parameters()
    expected = F.conv2d(F.pad(enlarged, (1, 1, 1, 1), mode="reflect"), weight, bias)
    assert torch.allclose(layer(features), expected, rtol=0, atol=1e-12)
    assert generator(random_tensor(1, 3, 16, 8)).shape == (1, 3, 16, 8)


def test_without_skip_the_input_is_not_added():
    blurred = random_tensor(1, 3, 16, 16)
    assert torch.allclose(small().eval()(blurred), (blurred + small(skip=False).eval()(blurred)).clamp(-1, 1), rtol=0, atol=1e-15)


def test_channels_last_is_the_same_function_with_the_same_parameters():
    generator, blurred = small().float().eval(), random_tensor(2, 3, 32, 24).float()
    expected, names = generator(blurred), list(generator.state_dict())
    assert channels_last(generator) is generator
    layouts = []
    for module in generator.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.register_forward_hook(lambda *call: layouts.append(call[-1].is_contiguous(memory_format=torch.channels_last)))
    restored = generator(blurred.to(memory_format=torch.channels_last))
    assert list(generator.state_dict()) == names
    assert len(layouts) == 9
    assert all(layouts)
    assert torch.allclose(restored, expected, rtol=0, atol=5e-6)
    assert not any(isinstance(module, torch.nn.InstanceNorm2d) for module in generator.modules())


def test_padding_keeps_the_format_where_torch_does_not(monkeypatch):
    """On a GPU torch pads into memory with channels outermost."""
    pad, images = torch.nn.functional.pad, random_tensor(2, 3, 6, 5).to(memory_format=torch.channels_last)
    expected = pad(images, (1, 2, 3, 4), mode="reflect")
    network = channels_last(torch.nn.Sequential(torch.nn.ReflectionPad2d((1, 2, 3, 4))))
    monkeypatch.setattr(torch.nn.functional, "pad", lambda *given, **how: pad(*given, **how).contiguous())
    assert not torch.nn.functional.pad(images, (1, 1)).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(images), expected)
    assert network(images).is_contiguous(memory_format=torch.channels_last)


def test_the_normalisation_of_gpus_is_the_same_and_keeps_format_and_precision():
    norm, features = KeepingNorm(3, 3, affine=False), random_tensor(2, 3, 6, 4).to(memory_format=torch.channels_last)
    torch.testing.assert_close(norm.arithmetic(features), plain_norm(features), rtol=0, atol=1e-12)
    torch.testing.assert_close(norm(features), plain_norm(features), rtol=0, atol=1e-12)
    with torch.autocast("cpu", torch.bfloat16):
        half = norm.arithmetic(features.bfloat16())
    assert half.dtype == torch.bfloat16
    assert half.is_contiguous(memory_format=torch.channels_last)
    assert torch.autograd.gradgradcheck(norm.arithmetic, features[:1].clone().requires_grad_())  # a critic's penalty needs it


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_states_load_with_and_without_running_statistics(prefix):
    state = small().state_dict()
    published = {prefix + name: value for name, value in state.items()}
    statistics = {"running_mean": torch.zeros(4), "running_var": torch.ones(4), "num_batches_tracked": torch.tensor(7)}
    for norm in ("model.2", "model.10.conv_block.2"):
        published |= {f"{prefix}{norm}.{name}": value for name, value in statistics.items()}
    before = list(published)
    generator = small()
    torch.nn.init.zeros_(generator.model[1].weight)
    generator.load_state_dict(published)
    assert list(published) == before
    assert all(torch.equal(value, state[name]) for name, value in generator.state_dict().items())
    with pytest.raises(RuntimeError, match="Missing key"):
        generator.load_state_dict({name: value for name, value in published.items() if "model.1." not in name})


def test_bfloat16_autocast_returns_float32():
    generator, blurred = small().float().eval(), random_tensor(1, 3, 16, 16).float()
    with torch.autocast("cpu", torch.bfloat16):
        restored = generator(blurred)
    assert restored.dtype == torch.float32
    assert 0 < (restored - generator(blurred)).abs().mean() < 0.01


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "resent"}, "unknown generator 'resent'; did you mean 'resnet'"),
        ({}, "unknown generator ''"),
        ({"name": "resnet", "widht": 8}, "unknown option 'widht'; did you mean 'width'"),
        ({"name": "resnet", "width": "8"}, "width takes a value like 64, got '8'"),
        ({"name": "resnet", "skip": 1}, "skip takes a value like True"),
        ({"name": "resnet", "blocks": -1}, "generator.blocks takes values within"),
        ({"name": "resnet", "upsampling": "resized"}, "did you mean 'resize'"),
    ],
)
def test_invalid_specifications_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        build_generator(spec)


@pytest.mark.parametrize("shape", [(1, 3, 18, 16), (1, 3, 16, 10), (1, 3, 4, 16)])
def test_invalid_sizes_are_refused(shape):
    with pytest.raises(UsageError, match=r"multiples of 4 and at least 8, got \(1, 3"):
        small()(random_tensor(*shape))
    assert small()(random_tensor(1, 3, 8, 12)).shape == (1, 3, 8, 12)


def test_a_generator_is_imported_only_when_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "trainer.networks.resnet", None)  # its import fails
    assert isinstance(build_generator({"name": "residual-unet", "width": 2}), torch.nn.Module)
    with pytest.raises(ImportError):
        build_generator({"name": "resnet"})


def plain_residual_unet(state, x, factor):
    """The residual U-Net as a function of its parameters, with the pixels of a block packed into channels by slices."""

    def convolved(name, y, **options):
        return F.conv2d(y, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    def raised(name, y):
        return F.conv_transpose2d(y, state[f"{name}.weight"], state[f"{name}.bias"], stride=2)

    def block(name, y):
        return y + convolved(f"{name}.second", convolved(f"{name}.first", y, padding=1).relu(), padding=1)

    packed = [x[:, [c], i::factor, j::factor] for c in range(3) for i in range(factor) for j in range(factor)]
    full = block("encoder.0", convolved("head", torch.cat(packed, 1), padding=1))
    half = block("encoder.1", convolved("down.0", full, stride=2, padding=1))
    quarter = block("middle.1", block("middle.0", convolved("down.1", half, stride=2, padding=1)))
    half = block("decoder.1", half + raised("up.1", quarter))
    change = convolved("tail", block("decoder.0", full + raised("up.0", half)), padding=1)
    y = x.clone()
    for number, (c, i, j) in enumerate((c, i, j) for c in range(3) for i in range(factor) for j in range(factor)):
        y[:, c, i::factor, j::factor] += change[:, number]
    return y.clamp(-1, 1)


@pytest.mark.parametrize("factor", [1, 2])
def test_the_residual_unet_is_its_plain_function(factor):
    generator = build_generator({"name": "residual-unet", "width": 3, "unshuffle": factor}).double()
    x = random_tensor(2, 3, 8 * factor, 12 * factor)
    assert torch.equal(generator(x), x)  # it starts as the identity
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    expected = plain_residual_unet(generator.state_dict(), x, factor)
    torch.testing.assert_close(generator(x), expected, atol=1e-12, rtol=0)
    with pytest.raises(UsageError, match=f"multiples of {4 * factor} and at least {4 * factor}"):
        generator(x[..., :-2])
