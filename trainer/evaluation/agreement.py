"""Metrics of what another network sees: how well its output on a restored photograph agrees with its output on the sharp one.

A network is named as ``NETWORK@FILE``: a segmentation or detection network of torchvision, or a function of your own that returns
one, ``package.module:function``; and a file of weights. Both parts can be left out. A network of your own is called as those of
torchvision are, and returns the same.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blurkit.errors import UsageError, nearest
from blurkit.program.checks import require
from trainer.evaluation.metrics import Metric
from trainer.evaluation.perception import measure_tensors
from trainer.losses.features import Imagenet
from trainer.networks.weights import read_weights

#: The module of torchvision, and the network that is used if none is named.
_KINDS = {"seg_iou": ("segmentation", "deeplabv3_resnet50"), "detection_f1": ("detection", "fasterrcnn_resnet50_fpn")}

#: A box counts from this score on, and agrees with another of its class from this intersection over union on.
SCORE, OVERLAP = 0.5, 0.5


def load(name: str, given: str, device: torch.device) -> Metric:
    """Returns a metric of this module. ``given``: see above."""
    network = load_network(name, given).to(device).eval().requires_grad_(False)
    where = given or _KINDS[name][1]
    if name == "seg_iou":
        scale = Imagenet().to(device)

        def seen(images: Tensor) -> Tensor:
            found = network(scale(images))
            return (found["out"] if isinstance(found, dict) else found).argmax(1)

        convention = f"classes of {where} on restored and sharp, intersection over union, mean of the classes in either"
        return Metric(measure_tensors(lambda x, y: torch.stack(list(map(iou, seen(x), seen(y)))), device), convention, 4)

    def boxes(images: Tensor) -> list[dict[str, Tensor]]:
        return network(list((images + 1) / 2))

    convention = f"boxes of {where} with a score of at least {SCORE}, F1 of those that agree in class and by {OVERLAP} in area"
    return Metric(measure_tensors(lambda x, y: torch.stack(list(map(f1, boxes(x), boxes(y)))), device), convention, 4)


def load_network(metric: str, given: str) -> nn.Module:
    """Returns the network of ``NETWORK@FILE`` for a metric. Raises :class:`UsageError` if it is not there."""
    import torchvision

    kind, default = _KINDS[metric]
    name, _, file = given.partition("@")
    name = name or default
    state = read_weights(Path(file))[0] if file else {}
    try:
        if ":" in name:
            network = pkgutil.resolve_name(name)()
        else:
            known = torchvision.models.list_models(module=importlib.import_module(f"torchvision.models.{kind}"))
            require(name in known, f"unknown {kind} network {name!r}{nearest(name, known)} (known: {', '.join(known)})")
            options: dict[str, Any] = {"weights": None, "weights_backbone": None} if file else {"weights": "DEFAULT"}
            if any(key.startswith("aux_classifier") for key in state):  # torchvision's weights have a part for training only
                options["aux_loss"] = True
            network = torchvision.models.get_model(name, **options)
        if file:
            network.load_state_dict(state)
    except (OSError, RuntimeError, ImportError, AttributeError) as error:
        problem = f"{metric}={given}: {str(error).splitlines()[-1].strip()}"
        raise UsageError(f"{problem}; name a network and its weights with --metrics {metric}=NETWORK@FILE") from error
    return network


def iou(restored: Tensor, sharp: Tensor) -> Tensor:
    """Returns the mean intersection over union of the classes that are in either of two maps of classes, int64 (H, W)."""
    classes = int(torch.maximum(restored.max(), sharp.max())) + 1
    counts = torch.bincount((classes * sharp + restored).flatten(), minlength=classes**2).view(classes, classes).double()
    both = counts.diagonal()
    either = counts.sum(0) + counts.sum(1) - both
    return (both / either)[either > 0].mean()


def f1(restored: dict[str, Tensor], sharp: dict[str, Tensor]) -> Tensor:
    """Returns the F1 score of the boxes of a restored photograph with those of the sharp one as the truth, 1 if there are none.

    Each is a dictionary as detectors of torchvision return it, its boxes sorted by falling score. A box takes the free box of its
    class with which it overlaps most.
    """
    from torchvision.ops import box_iou

    (found, true), kept = (restored, sharp), [each["scores"] >= SCORE for each in (restored, sharp)]
    overlaps = box_iou(found["boxes"][kept[0]], true["boxes"][kept[1]])
    overlaps = overlaps * (found["labels"][kept[0]][:, None] == true["labels"][kept[1]])
    boxes = sum(overlaps.shape)
    agreeing = 0
    for row in overlaps if overlaps.numel() else ():
        best = int(row.argmax())
        if row[best] >= OVERLAP:
            agreeing += 1
            overlaps[:, best] = 0
    return torch.tensor(2 * agreeing / boxes if boxes else 1.0, dtype=torch.float64)
