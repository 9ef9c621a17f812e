"""Which variables of a file are blur kernels: by name first, and an image is never taken for one.

A name such as ``kernels`` or ``psf`` is believed. A one-letter name, or none that is known, is believed only if the array looks
like a kernel too: it sums to 1, or it fades towards its border, which photographs do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurkit.camera.arrays import Array
from blurkit.errors import UsageError

#: The longest side of a kernel in pixels; whatever is larger is an image.
MAX_SIDE = 301

#: The only array of a file is believed up to this many pixels on its shorter side: it may be a tight disk, unscaled.
BELIEVED_SIDE = 127

#: The mean of an unscaled kernel's outermost taps stays below this fraction of its peak; photographs have .17 to .5.
FADED = 0.15

#: Variables with the first of these names that fits are taken; with any prefix and number: ``estKernel``, ``psf1``, ``true_k``.
NAMES = ("kernels", "kernel", "psfs", "psf", "f", "k", "h")


@dataclass(frozen=True)
class Variable:
    """One array, stack or cell array of a file; ``fault`` is why it can hold no kernel, as far as a header tells, or empty."""

    name: str
    kind: str
    fault: str
    read: Callable[[], Sequence[Array]]


def array_variable(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], read: Callable[[], Array], *, last: bool) -> Variable:
    """A variable that is one array: a kernel, or a stack of them counted by the ``last`` axis, else by the first.

    Where exactly two neighbouring axes are equal these are the kernels' sides, and the third counts, whatever ``last`` says.
    """
    kind = f"{'x'.join(map(str, shape))} {dtype}"
    if dtype.kind not in "iuf":
        return Variable(name, kind, "not real numbers", tuple)
    if len(shape) not in (2, 3) or 0 in shape:
        return Variable(name, kind, "neither a matrix nor a stack of them", tuple)
    axis = 2 if last else 0
    if len(shape) == 3 and (shape[0] == shape[1]) != (shape[1] == shape[2]):
        axis = 2 if shape[0] == shape[1] else 0
    sides = shape if len(shape) == 2 else shape[:axis] + shape[axis + 1 :]
    if max(sides) > MAX_SIDE:
        return Variable(name, kind, f"more than {MAX_SIDE} px on a side", tuple)
    return Variable(name, kind, "", lambda: [read()] if len(shape) == 2 else list(np.moveaxis(read(), axis, 0)))


def choose(path: Path, variables: Sequence[Variable], titles: Sequence[str]) -> tuple[list[Array], list[str] | None]:
    """The kernels among the variables of a file, and their names: ``titles`` if they fit, else made from the variables' names."""
    faults = {variable.name: variable.fault for variable in variables}
    for stem in (*NAMES, ""):
        named = len(stem) > 1
        pattern = re.compile((".*" if named else r"(?:.*[\W_])?") + (stem or ".*") + r"[\W_]?\d*", re.IGNORECASE | re.DOTALL)
        arrays: list[Array] = []
        names: list[str] = []
        for variable in variables:
            if variable.fault or not any(pattern.fullmatch(part) for part in variable.name.split("/")):
                continue
            found = variable.read()
            checks = (fault(array, named=named, alone=len(variables) == 1) for array in found)
            faults[variable.name] = next((check for check in checks if check), "" if found else "empty")
            if not faults[variable.name]:
                arrays += found
                names += [variable.name] if len(found) == 1 else [f"{variable.name}_{i}" for i in range(len(found))]
        if arrays:
            if len(titles) == len(arrays) == len({title.strip() for title in titles} - {""}):
                return arrays, [title.strip() for title in titles]
            return arrays, names if len(set(names)) == len(names) else None
    seen = [f"{variable.name} ({variable.kind}: {faults[variable.name]})" for variable in variables]
    listed = "; ".join(seen[:8] + ["..."] * (len(seen) > 8))
    raise UsageError(f"{path}: nothing in it looks like a blur kernel; found {listed or 'no arrays at all'}")


def fault(array: Array, *, named: bool, alone: bool) -> str:
    """Why an array is no kernel, or an empty string; ``named``: its name says kernel, ``alone``: nothing else is in the file."""
    if array.dtype.kind not in "iuf" or array.ndim != 2:
        return "not a matrix of real numbers"
    if array.size == 0 or max(array.shape) > MAX_SIDE:
        return f"empty, or more than {MAX_SIDE} px on a side"
    if named or (alone and min(array.shape) <= BELIEVED_SIDE):
        return ""
    taps = array.astype(np.float64)
    peak, total = taps.max(), taps.sum()
    if array.size == 1 or not np.isfinite(total) or peak <= 0 or taps.min() < -1e-3 * peak:
        return "a single number, or with values that are negative, zero throughout or not finite"
    inner = taps[1:-1, 1:-1]
    if abs(total - 1) <= 0.01 or (total - inner.sum()) <= FADED * peak * (taps.size - inner.size):
        return ""
    return "it neither sums to 1 nor fades towards its border, as a kernel does"
