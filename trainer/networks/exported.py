"""Generators as ONNX files: written by torch, checked, made smaller in int8, and run by onnxruntime.

The libraries of the extra ``export`` are imported where they are used: training and evaluation do not need them.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blurkit.errors import BlurkitError, UsageError
from trainer.networks.weights import KEY

SUFFIX = ".onnx"
#: The largest difference between onnxruntime and torch that is accepted, for values in [-1, 1].
TOLERANCE = 1e-4
_MOST_SIDE = 1 << 16
_INPUT = "blurred"


def library(name: str) -> Any:
    """Returns a module of the extra ``export``. Raises :class:`UsageError` with the line that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{error.name} is missing; install it with: pip install onnx onnxscript onnxruntime") from error


class ExportedGenerator(nn.Module):
    """A generator in an ONNX file: maps float32 (1, 3, H, W) in [-1, 1] to the same shape, with the sizes of its network.

    onnxruntime computes, on a GPU if the installed one can, whatever the device of the input is. ``description``: as that of
    :func:`trainer.networks.weights.load_generator`. Raises :class:`UsageError` for a file that the trainer did not export.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        runtime = library("onnxruntime")
        places = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in runtime.get_available_providers()]
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=places)
            self.description: dict[str, Any] = json.loads(self._session.get_modelmeta().custom_metadata_map[KEY])
            self.multiple, self.least = (int(self.description[key]) for key in ("multiple", "least"))
        except Exception as error:  # onnxruntime raises many types of errors for damaged and foreign files
            problem = "no such file" if not path.exists() else f"not a file of trainer export ({type(error).__name__})"
            raise UsageError(f"{path}: {problem}") from error

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs, on the device of ``blurred``."""
        (restored,) = self._session.run(None, {_INPUT: blurred.float().cpu().numpy()})
        return torch.from_numpy(restored).to(blurred.device)


def export(generator: nn.Module, path: Path, description: dict[str, Any]) -> None:
    """Write a generator, on the CPU, to an ONNX file that takes one photograph of any height and width that suit the network."""
    onnx = library("onnx")
    library("onnxscript")  # torch needs it
    multiple, least = (int(getattr(generator, name)) for name in ("multiple", "least"))
    lowest = max(-(-least // multiple), 2)  # torch.export takes sizes of 0 and 1 for constants
    sides = [multiple * torch.export.Dim(name, min=lowest, max=_MOST_SIDE // multiple) for name in ("rows", "columns")]
    # torch records one way through the network; that of NAFNet for photographs above its window is right for smaller ones too
    window = max(getattr(module, "window", 0) for module in generator.modules())
    example = torch.zeros(1, 3, *(multiple * max(lowest, round((window + side) / multiple)) for side in (96, 128)))
    names: dict[str, Any] = {"input_names": [_INPUT], "output_names": ["restored"], "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the future of torch's own code
        program = torch.onnx.export(
            generator.eval(), (example,), dynamic_shapes=({2: sides[0], 3: sides[1]},), dynamo=True, **names
        )
    assert program is not None
    model, about = program.model_proto, {**description, "multiple": multiple, "least": least}
    onnx.helper.set_model_props(model, {KEY: json.dumps(about)})
    path.write_bytes(model.SerializeToString())


def largest_difference(exported: nn.Module, generator: nn.Module, sizes: Iterable[tuple[int, int]]) -> float:
    """Returns the largest difference of two generators on random photographs of these heights and widths.

    Raises :class:`BlurkitError` if it is above :data:`TOLERANCE`.
    """
    random, largest = torch.Generator().manual_seed(0), 0.0
    with torch.inference_mode():
        for size in sizes:
            blurred = torch.rand((1, 3, *size), generator=random) * 2 - 1
            found = float((exported(blurred) - generator(blurred)).abs().max())
            if not found <= TOLERANCE:
                text = f"onnxruntime and torch differ by {found:.1e} at {size[0]}x{size[1]} pixels, more than {TOLERANCE:g}"
                raise BlurkitError(f"{text}; nothing was written")
            largest = max(largest, found)
    return largest


def quantise(path: Path, target: Path, images: Iterable[NDArray[np.float32]]) -> None:
    """Write the network of an ONNX file with weights and activations in int8 (static; one scale per channel of the weights).

    ``images``: examples, float32 (1, 3, H, W) in [-1, 1], whose activations give the ranges.
    """
    quantization = library("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self._images = iter(images)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self._images, None)
            return None if image is None else {_INPUT: image}

    kinds, prepared = quantization.QuantType, path.with_suffix(".prepared.onnx")
    library("onnxruntime.quantization.shape_inference").quant_pre_process(path, prepared, skip_symbolic_shape=True)
    types = {"activation_type": kinds.QUInt8, "weight_type": kinds.QInt8}  # the fast pair on x86
    quantization.quantize_static(prepared, target, Reader(), per_channel=True, **types)
