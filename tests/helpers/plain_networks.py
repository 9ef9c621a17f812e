"""The networks of the field as plain functions of their weights, written from their descriptions, and their statistics."""

import torch
import torch.nn.functional as F


def varied(network, scale=0.3, seed=4):
    """The network with random weights and statistics that are large enough for each layer to matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2, generator=generator)
            elif value.is_floating_point():
                fan = value[0].numel() if value.ndim > 1 else 1
                value.normal_(0, scale if value.ndim == 1 else (2 / fan) ** 0.5, generator=generator)
    return network


def norm(x):
    """Normalisation by instance."""
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def doubled(x, times=2):
    return x.repeat_interleave(times, 2).repeat_interleave(times, 3)


class Weights:
    """Takes the tensors of a state dictionary in order."""

    def __init__(self, network):
        self.left = list(network.state_dict().items())

    def take(self, ending):
        name, value = self.left.pop(0)
        assert name.endswith(ending), (name, ending)
        return value

    def convolve(self, x, bias=True, **options):
        weight = self.take("weight")
        return F.conv2d(x, weight, self.take("bias") if bias else None, **options)

    def batch_norm(self, x):
        names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        weight, bias, mean, variance, _ = (self.take(name) for name in names)
        scale = weight / (variance + 1e-5).sqrt()
        return x * scale[:, None, None] + (bias - mean * scale)[:, None, None]


def plain_ird(network, x):
    take = Weights(network)

    def reflected(x):
        return F.pad(x, (3,) * 4, mode="reflect")

    y = norm(take.convolve(reflected(x))).relu()
    for _ in range(2):
        y = norm(take.convolve(y, stride=2, padding=1)).relu()
    for _ in range(9):
        narrow, found = take.convolve(norm(y).relu()), []
        for sides in ((1,), (1, 3), (1, 3, 3), (1,)):
            branch = F.max_pool2d(narrow, 3, 1, 1) if len(found) == 3 else narrow
            for side in sides:
                branch = norm(take.convolve(branch, padding=side // 2)).relu()
            found.append(branch)
        y = torch.cat([y, take.convolve(torch.cat(found, 1) + narrow, padding=1)], 1)
    for _ in range(2):
        y = take.convolve(norm(y).relu())
    for _ in range(2):
        y = F.conv_transpose2d(y, take.take("weight"), take.take("bias"), stride=2, padding=1, output_padding=1)
        y = norm(y).relu()
    y = take.convolve(reflected(y)).tanh()
    assert not take.left
    return torch.clamp(x + y, -1, 1)


def plain_dense(network, x):
    take = Weights(network)
    y = head = take.convolve(x, padding=1)
    for number in range(1, 11):
        dilation = 2 if number % 2 == 0 else 1
        inner = leaky(take.batch_norm(take.convolve(leaky(y))))
        y = torch.cat([y, take.batch_norm(take.convolve(inner, padding=dilation, dilation=dilation))], 1)
    y = take.batch_norm(take.convolve(leaky(y))) + head
    y = take.convolve(leaky(take.convolve(y, padding=1)), padding=1)
    assert not take.left
    return y.tanh()


def plain_poster(network, x):
    take = Weights(network)
    y = head = take.convolve(x, padding=1)
    for number in range(1, 11):
        dilation = 2 if number in (3, 7) else 3 if number == 5 else 1
        inner = norm(take.convolve(leaky(norm(y)), bias=False))
        found = norm(take.convolve(inner, bias=False, padding=dilation, dilation=dilation))
        y = torch.cat([y, found], 1) if number < 10 else found
    y = torch.cat([head, norm(take.convolve(leaky(y), bias=False))], 1)
    y = take.convolve(y, bias=False, padding=1)
    y = torch.where(y > 0, y, take.take("weight")[:, None, None] * y)
    y = take.convolve(y, bias=False, padding=1)
    assert not take.left
    return y.tanh()


def plain_unet(network, x):
    state = network.state_dict()

    def block(name, x):
        for layer in ("0", "2"):
            x = F.conv2d(x, state[f"{name}.{layer}.weight"], state[f"{name}.{layer}.bias"], padding=1).relu()
        return x

    skips = []
    for level in range(3):
        x = block(f"encoder.{level}", x)
        skips.append(x)
        x = F.max_pool2d(x, 2)
    x = block("encoder.3", x)
    for level in (2, 1, 0):
        x = F.conv_transpose2d(x, state[f"up.{level}.weight"], state[f"up.{level}.bias"], stride=2)
        x = block(f"decoder.{level}", torch.cat([skips[level], x], 1))
    return F.conv2d(x, state["last.weight"], state["last.bias"]).tanh()


def plain_nafnet(state, x, encoder, middle, decoder, pool=lambda y, level: y.mean((2, 3), keepdim=True)):
    """The published network, on images in [0, 1], by the published names."""

    def convolved(name, x, **options):
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

    def layer_norm(name, x):
        centred = x - x.mean(1, keepdim=True)
        y = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return y * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]

    def block(name, x, level):
        y = convolved(f"{name}.conv1", layer_norm(f"{name}.norm1", x))
        y = convolved(f"{name}.conv2", y, padding=1, groups=y.shape[1])
        y = y[:, : y.shape[1] // 2] * y[:, y.shape[1] // 2 :]
        y = convolved(f"{name}.conv3", y * convolved(f"{name}.sca.1", pool(y, level)))
        x = x + y * state[f"{name}.beta"]
        y = convolved(f"{name}.conv4", layer_norm(f"{name}.norm2", x))
        return x + convolved(f"{name}.conv5", y[:, : y.shape[1] // 2] * y[:, y.shape[1] // 2 :]) * state[f"{name}.gamma"]

    y, skips = convolved("intro", x, padding=1), []
    for level, count in enumerate(encoder):
        for number in range(count):
            y = block(f"encoders.{level}.{number}", y, level)
        skips.append(y)
        y = convolved(f"downs.{level}", y, stride=2)
    for number in range(middle):
        y = block(f"middle_blks.{number}", y, len(encoder))
    for place, count in enumerate(decoder):
        y = F.pixel_shuffle(convolved(f"ups.{place}.0", y), 2) + skips.pop()
        for number in range(count):
            y = block(f"decoders.{place}.{number}", y, len(skips))
    return convolved("ending", y, padding=1) + x


def plain_pyramid(state, features, pads, x):
    """The generator of DeblurGAN-v2 after its encoder, whose five features are given, by the published names."""

    def convolved(name, x, **options):
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

    laterals = [F.pad(convolved(f"fpn.lateral{k}", features[k]), pads[k], mode="reflect") for k in range(5)]
    maps = {4: laterals[4]}
    for level, name in ((3, "td1"), (2, "td2"), (1, "td3")):
        maps[level] = norm(convolved(f"fpn.{name}.0", laterals[level] + doubled(maps[level + 1]), padding=1)).relu()
    heads = []
    for level, times in ((4, 8), (3, 4), (2, 2), (1, 1)):
        y = convolved(f"head{level}.block0", maps[level], padding=1).relu()
        heads.append(doubled(convolved(f"head{level}.block1", y, padding=1).relu(), times))
    y = doubled(norm(convolved("smooth.0", torch.cat(heads, 1), padding=1)).relu())
    y = doubled(norm(convolved("smooth2.0", y + laterals[0], padding=1)).relu())
    return (convolved("final", y, padding=1).tanh() + x).clamp(-1, 1)
