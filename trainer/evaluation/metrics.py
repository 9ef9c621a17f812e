"""Metrics by name, each with its stated convention, since definitions differ: the same results have an SSIM of 0.96 or of 0.83.

A measure compares restored with sharp photographs, uint8 (H, W, 3), and returns a number, or two batches, uint8 (B, H, W, 3), and
returns float64 (B,).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from blurkit.errors import UsageError
from blurkit.program.checks import one_of, require
from trainer.evaluation import similarity
from trainer.evaluation.similarity import Images


class Metric(NamedTuple):
    """A metric: its measure, see above; its convention; decimals and unit for printing; ``better``: 1 if higher is better, -1 if
    lower is."""

    measure: Callable[[Images, Images], Any]
    convention: str
    decimals: int
    unit: str = ""
    better: int = 1

    def text(self, value: float, *, sign: str = "") -> str:
        """Returns a value as text with its unit. With ``sign`` "+", positive values get a plus sign."""
        return f"{value:{sign}.{self.decimals}f}{self.unit}"


_GAUSSIAN = "Gaussian window 11 x 11, sigma 1.5, population covariance"
_LUMA = "of the luma of ITU-R BT.601 in [16, 235], as MATLAB's rgb2ycbcr, not rounded"

#: The metrics of numpy alone.
QUICK = {
    "psnr": Metric(similarity.psnr, "RGB codes rounded to 8 bits, peak 255, one mean squared error per image", 2, " dB"),
    "psnr_y": Metric(similarity.psnr_y, f"{_LUMA}, peak 255", 2, " dB"),
    "ssim": Metric(similarity.ssim, f"{_GAUSSIAN}, where the window fits, mean of R, G and B", 4),
    "ssim_y": Metric(similarity.ssim_y, f"{_GAUSSIAN}, where the window fits, {_LUMA}", 4),
    "ssim_3d": Metric(
        similarity.ssim_3d,
        "MATLAB's ssim of a colour image: Gaussian window 11 x 11 x 11 over rows, columns and colours, sigma 1.5, edges repeated",
        4,
    ),
    "cw_ssim": Metric(
        similarity.cw_ssim,
        "pyssim's CW-SSIM, as in the papers of DeblurGAN: of the grey pixels in one row, Ricker wavelets of widths 1 to 30",
        4,
    ),
    "fourier_error": Metric(
        similarity.fourier_error,
        "mean squared difference of the magnitudes of orthonormal spectra, of the mean of R, G and B in [0, 1]",
        5,
        better=-1,
    ),
}

#: The modules of the other metrics. Each has ``load(name, given, device)``, which returns the metric; ``given`` follows the name
#: and a "=" in a list of metrics. A module and what it needs are loaded only if the metric is named.
SLOW = {
    **dict.fromkeys(("ms_ssim", "fsim", "vif", "lpips_alex", "lpips_vgg"), "trainer.evaluation.perception"),
    **dict.fromkeys(("seg_iou", "detection_f1"), "trainer.evaluation.agreement"),
}
METRICS = (*QUICK, *SLOW)


def load_metrics(names: str | Sequence[str], device: torch.device | None = None) -> dict[str, Metric]:
    """Returns the metrics of a list such as ``"psnr,ssim"``, in its order. Networks of metrics are loaded to ``device``.

    ``lpips_alex=FILE`` and ``lpips_vgg=FILE`` name weights of AlexNet and VGG-16. ``seg_iou=NETWORK@FILE`` and
    ``detection_f1=NETWORK@FILE`` name a network and its weights, see :mod:`trainer.evaluation.agreement`. Without a file the
    weights of torchvision are downloaded once. Raises UsageError for an unknown metric, and if a package or weights are missing.
    """
    chosen = [name.strip() for name in (names.split(",") if isinstance(names, str) else names) if name.strip()]
    require(bool(chosen), f"name at least one metric of {', '.join(METRICS)}")
    pairs = [(name.strip(), given.strip()) for name, _, given in (each.partition("=") for each in chosen)]
    for name, given in pairs:  # before anything is loaded
        one_of("each of --metrics", name, METRICS)
        require(not given or name.startswith(("lpips", "seg", "detection")), f"the metric {name} takes no =, got {given!r}")
    return {name: QUICK[name] if name in QUICK else _load(name, given, device or torch.device("cpu")) for name, given in pairs}


def _load(name: str, given: str, device: torch.device) -> Metric:
    try:
        metric: Metric = importlib.import_module(SLOW[name]).load(name, given, device)
        return metric
    except ImportError as error:
        raise UsageError(f"the metric {name} needs a package that is missing ({error}): pip install '.[train]'") from error
