"""Networks that timm and torchvision publish, trained on ImageNet, as parts of ours: their weights and their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from blurkit.errors import UsageError, nearest
from blurkit.program.checks import one_of, require
from trainer.networks.weights import fill, read_weights


def open_network(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """Returns a network of timm by its name there, or "mobilenetv2" of torchvision. ``pretrained``: download its weights.

    Raises :class:`UsageError` for an unknown name, and if the weights cannot be downloaded.
    """
    try:  # the libraries are imported here: each takes two seconds, and few networks need them
        if name == "mobilenetv2":
            import torchvision

            return torchvision.models.get_model("mobilenet_v2", weights="IMAGENET1K_V1" if pretrained else None)
        import timm

        names = timm.list_models()
        require(name.partition(".")[0] in names, f"timm has no network {name!r}{nearest(name, names)}")
        return timm.create_model(name, pretrained=pretrained, **options)
    except (OSError, RuntimeError) as error:  # no network, a full disk, another digest
        if not pretrained:
            raise
        problem = str(error).splitlines()[0]
        raise UsageError(f"the weights of {name} cannot be downloaded ({problem}); set weights to the path of a copy") from error


def load_weights(network: nn.Module, path: str, state: Mapping[str, Tensor] | None = None) -> None:
    """Load the weights of a file. Names that the network does not have, such as those of a classifier, are left out.

    ``state``: the weights, if they are already read. Raises :class:`UsageError` if weights are missing or have another shape.
    """
    given, own = read_weights(Path(path))[0] if state is None else state, network.state_dict()
    given = {name.removeprefix("module."): value for name, value in given.items()}
    given |= {name.removeprefix("features."): value for name, value in given.items()}
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    require(not missing, f"{path}: {len(missing)} of {len(own)} weights are missing, the first is {next(iter(missing), '')}")
    fill(network, {name: given.get(name, value) for name, value in own.items()}, f"{path}: the weights do not fit")


def normalise_by(statistics: str, network: nn.Module) -> None:
    """Change in place how the BatchNorm layers of a network normalise. Neither way mixes the samples of a batch.

    ``statistics``: "stored" takes the stored mean and variance, which stay as they are; "instance" takes those of each photograph
    alone. The published code of DeblurGAN-v2 takes those of a batch of one, in training and in restoration, which is the same.
    """
    one_of("statistics", statistics, ("stored", "instance"))
    for parent in list(network.modules()) if statistics == "instance" else ():
        for name, norm in parent.named_children():
            if isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, InstanceStatistics(norm))


def keep_statistics(network: nn.Module) -> None:
    """Set BatchNorm layers to evaluation mode, in which they use their stored statistics and do not change them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class InstanceStatistics(nn.BatchNorm2d):
    """A BatchNorm layer with the weights and buffers of ``norm`` that takes mean and variance of each sample alone."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, device=norm.weight.device)
        self.load_state_dict(norm.state_dict())
        self.act = getattr(norm, "act", nn.Identity())  # timm joins the two

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        return self.act(F.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.eps))
