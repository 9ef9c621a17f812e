"""What generators and critics share: normalised layers, initial weights, published names, sizes, memory format."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from blurkit.program.checks import require

#: Buffers of normalisation layers that files of DeblurGAN may hold. Normalisation by instance does not use them.
STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}

_Module = TypeVar("_Module", bound=nn.Module)


def normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    """Returns the layers that follow most convolutions: normalisation by instance, and a ReLU."""
    return nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)


def initialise(network: nn.Module) -> None:
    """Draw the initial weights of DeblurGAN: convolutions from N(0, 0.02) by torch's global generator, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def accept_published_names(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    """A hook for ``register_load_state_dict_pre_hook``. Drops running statistics, and ``module.`` at the start of all names."""
    wrapped = not prefix and all(name.startswith("module.") for name in state)
    for name in list(state):
        value = state.pop(name)
        if name.rpartition(".")[2] not in STATISTICS:
            state[name.removeprefix("module.") if wrapped else name] = value


def require_size(network: nn.Module, images: Tensor) -> None:
    """Raise :class:`UsageError` if a generator does not accept the size of the images; see :mod:`trainer.networks.generators`."""
    multiple, least = (int(getattr(network, name)) for name in ("multiple", "least"))
    valid = all(side % multiple == 0 and side >= least for side in images.shape[-2:])
    sizes = f"heights and widths that are multiples of {multiple} and at least {least}"
    require(valid, f"the generator needs {sizes}, got {tuple(images.shape)}")


def channels_last(network: _Module) -> _Module:
    """Change a network in place so that channels are innermost in memory, and return it. Parameters and their names stay.

    The output of ``InstanceNorm2d`` always has channels outermost, and on a GPU that of ``ReflectionPad2d`` too.
    :class:`KeepingNorm` and :class:`KeepingPad` are the same functions (up to rounding) and keep the layout.
    """
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.InstanceNorm2d) and not layer.affine:
                setattr(parent, name, KeepingNorm(layer.num_features, layer.num_features, layer.eps, affine=False))
            elif isinstance(layer, nn.ReflectionPad2d):
                setattr(parent, name, KeepingPad(layer.padding))
    return network.to(memory_format=torch.channels_last)


class KeepingNorm(nn.GroupNorm):
    """Normalisation by instance that keeps the memory format: a ``GroupNorm`` with one group per channel, on the CPU.

    On a GPU ``GroupNorm`` puts channels outermost too, and autocast computes it in float32. There it is plain arithmetic instead.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        return self.arithmetic(features) if features.is_cuda else super().forward(features)

    def arithmetic(self, features: Tensor) -> Tensor:
        """The same function in the precision of ``features``."""
        with torch.autocast(features.device.type, enabled=False):
            variance, mean = torch.var_mean(features, (2, 3), correction=0, keepdim=True)
            return (features - mean) * (variance + self.eps).rsqrt()


class KeepingPad(nn.ReflectionPad2d):
    """Reflection padding with channels innermost in memory. Otherwise the convolution that follows would convert its input in the
    forward pass and again in the backward pass."""

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C, H + top + bottom, W + left + right)."""
        return super().forward(features).contiguous(memory_format=torch.channels_last)


def full_precision(tensor: Tensor) -> Tensor:
    """Converts half precision to float32, since losses are sums over many pixels. Other types are unchanged."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
