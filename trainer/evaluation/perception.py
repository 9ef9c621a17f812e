"""Metrics of other libraries: MS-SSIM, FSIM and VIF of piq, and LPIPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.evaluation.metrics import Metric
from trainer.evaluation.similarity import Images, check_images
from trainer.losses.lpips import build_lpips

#: The function in piq, its options, the least side in pixels, and the convention of each metric.
_PIQ: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "ms_ssim": ("multi_scale_ssim", {}, 161, "piq.multi_scale_ssim of RGB: five scales, Gaussian window 11 x 11, sigma 1.5"),
    "fsim": ("fsim", {"chromatic": True}, 16, "piq.fsim of RGB with its chromatic part"),
    "vif": ("vif_p", {}, 41, "piq.vif_p of RGB: in the pixel domain"),
}


def load(name: str, given: str, device: torch.device) -> Metric:
    """Returns a metric of this module. ``given``: for LPIPS a file of weights of its network."""
    if name in _PIQ:
        import piq  # imported here: only these metrics need it

        function, options, least, convention = _PIQ[name]
        compare = getattr(piq, function)
        measure = measure_tensors(lambda x, y: compare((x + 1) / 2, (y + 1) / 2, reduction="none", **options), device, least)
        return Metric(measure, convention, 4)
    network = "alexnet" if name == "lpips_alex" else "vgg16"
    distance = build_lpips(network, given, remedy=f"--metrics {name}=PATH").to(device)
    convention = f"Zhang et al. 2018, version 0.1, {network}, the full image; lower is better"
    return Metric(measure_tensors(distance, device, 32), convention, 4, better=-1)


def measure_tensors(
    function: Callable[[Tensor, Tensor], Tensor], device: torch.device, least: int = 1
) -> Callable[[Images, Images], Any]:
    """Returns the measure of a function of tensors (B, 3, H, W) in [-1, 1] that returns (B,). It gets whole batches."""

    def measure(restored: Images, sharp: Images) -> Any:
        check_images(restored, sharp, least)
        batches = (np.ascontiguousarray(images.reshape(-1, *images.shape[-3:])) for images in (restored, sharp))
        with torch.inference_mode():
            x, y = (torch.from_numpy(batch).to(device).movedim(-1, 1).float().div(127.5).sub(1) for batch in batches)
            values = function(x, y).double().cpu().numpy()
        return values if sharp.ndim == 4 else values[0]

    return measure
