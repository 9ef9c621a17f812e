"""``trainer export``: write a generator as an ONNX file, checked against torch, and smaller in int8."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from blurkit.errors import OK
from blurkit.program.benchmark import times
from blurkit.program.checks import require
from blurkit.program.files import make_folder, write_atomic
from trainer.evaluation.metrics import load_metrics
from trainer.evaluation.pairsets import PairSet, open_pairset
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import means, score_pairs
from trainer.evaluation.statistics import Statistics
from trainer.networks.exported import SUFFIX, ExportedGenerator, export, largest_difference, library, quantise
from trainer.networks.weights import left_out, load_generator

#: Pairs that give the ranges of int8, other pairs that are scored, and the side that is timed and at most calibrated on.
_CALIBRATED, _SCORED, _SIDE = 16, 16, 256
#: Heights and widths at which the file is compared with torch, as far as the network accepts them.
_SIZES = (128, 128), (160, 224), (416, 400)
_TILES = "; it normalises by the statistics of what it sees, so tiles of a large photograph differ more than with the weights"


def export_generator(
    weights: Path, out: Path, *, int8: bool, data: Path | None, overwrite: bool, as_json: bool, quiet: bool
) -> int:
    """Export, check at several sizes, and print size, time and, on the pairs of ``data``, PSNR. Returns the exit code."""
    require(out.suffix == SUFFIX, f"--out {out}: the name of an exported file ends with {SUFFIX}")
    require(data is not None or not int8, "--int8 takes its ranges from photographs: name pairs with --data")
    targets = {"float32": out, **({"int8": out.with_suffix(f".int8{SUFFIX}")} if int8 else {})}
    there = [str(path) for path in targets.values() if path.exists() and not overwrite]
    require(not there, f"{', '.join(there)}: there is such a file; choose another --out, or replace it with --overwrite")
    for name in ("onnx", "onnxscript", "onnxruntime"):
        library(name)
    pairs = None if data is None else open_pairset(data)
    generator, description = load_generator(weights)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / path.name for name, path in targets.items()}
        export(generator, files["float32"], description)
        sizes = [(_accepted(generator, high), _accepted(generator, wide)) for high, wide in _SIZES]
        difference = largest_difference(ExportedGenerator(files["float32"]), generator, sizes)
        if pairs is not None and int8:
            quantise(files["float32"], files["int8"], _examples(generator, pairs))
        forms = {"torch": generator, **{name: ExportedGenerator(file) for name, file in files.items()}}
        rows = _measured(forms, pairs)
        make_folder(out.parent)
        for name, file in files.items():
            rows[name] = {"file": str(targets[name]), "bytes": file.stat().st_size, **rows[name]}
            write_atomic(targets[name], file.read_bytes())
    if as_json:
        print(json.dumps({"difference": difference, "sizes": sizes, **rows}))
        return OK
    if not quiet:
        print(f"{weights}{left_out(description)}{_TILES if Statistics(generator) else ''}", file=sys.stderr)
    print(f"largest difference from torch {difference:.1e} at " + ", ".join(f"{high}x{wide}" for high, wide in sizes))
    for name, row in rows.items():
        size = f"{row['bytes'] / 1e6:.2f} MB" if "bytes" in row else ""
        level = f"{row['psnr']:.2f} dB" if "psnr" in row else ""
        print(f"{name:<8} {size:>10} {1000 * row['seconds']:8.1f} ms {level:>9}  {row.get('file', '')}".rstrip())
    return OK


def _accepted(generator: nn.Module, side: int) -> int:
    """The least side from ``side`` that a generator accepts."""
    multiple, least = int(generator.multiple), int(generator.least)  # type: ignore[arg-type]
    return -(-max(side, least) // multiple) * multiple


def _examples(generator: nn.Module, pairs: PairSet) -> list[NDArray[np.float32]]:
    """The middles of some blurred photographs, repeated at the edges if they are small."""
    side, examples = _accepted(generator, _SIDE), []
    for index in _spaced(range(len(pairs)), _CALIBRATED):
        blurred = pairs.images(index)[1]
        top, left = (max(length - side, 0) // 2 for length in blurred.shape[:2])
        middle = blurred[top : top + side, left : left + side]
        padding = [(0, side - length) for length in middle.shape[:2]]
        filled = np.pad(middle, (*padding, (0, 0)), mode="reflect")
        examples.append(filled.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - 1)
    return examples


def _measured(forms: dict[str, nn.Module], pairs: PairSet | None) -> dict[str, dict[str, Any]]:
    """Seconds for 256x256 pixels on the CPU, and the PSNR on pairs, by the name of the form."""
    side = _accepted(forms["torch"], _SIDE)
    with torch.inference_mode():
        seconds = times(*(functools.partial(form, torch.zeros(1, 3, side, side)) for form in forms.values()), repeats=3)
    rows: dict[str, dict[str, Any]] = {name: {"seconds": spent} for name, spent in zip(forms, seconds, strict=True)}
    if pairs is not None:
        numbers, psnr = range(len(pairs)), load_metrics("psnr")
        others = sorted({*numbers} - {*_spaced(numbers, _CALIBRATED)}) or numbers  # than the examples, if there are more
        for name, form in forms.items():
            restore = Restorer(form, torch.device("cpu"))
            rows[name]["psnr"] = means(list(score_pairs(restore, pairs, psnr, _spaced(others, _SCORED))))["restored"]["psnr"]
    return rows


def _spaced(numbers: Sequence[int], most: int) -> Sequence[int]:
    """At most ``most`` of the numbers, evenly spaced."""
    return numbers[:: -(-len(numbers) // most)]
