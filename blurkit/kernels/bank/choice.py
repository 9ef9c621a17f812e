"""The choice of the variables of a file that are blur kernels. An image must never be mistaken for a kernel.

A variable with a name such as ``kernels`` or ``psf`` is a kernel. A variable with a one-letter name or an unknown name is a
kernel only if it also looks like one: it sums to 1, or it fades towards its border, which photographs do not.
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

#: The longest side of a kernel in pixels, if only the look of an array says that it is one. A larger array is an image.
MAX_SIDE = 301

#: The longest side of a kernel whose variable has the name of a kernel, if it also looks like one. It bounds the memory.
LARGEST_SIDE = 4097

#: If a file holds only one array, it is a kernel if its shorter side has at most this many pixels. It may be a disk that is not
#: scaled and has no margin, which does not look like a kernel.
BELIEVED_SIDE = 127

#: The mean of the outermost taps of a kernel that is not scaled is at most this fraction of its peak. Photographs have .17 to .5.
FADED = 0.15

#: The names of kernels, in the order of preference, with any prefix and number: ``estKernel``, ``psf1``, ``true_k``.
NAMES = ("kernels", "kernel", "psfs", "psf", "f", "k", "h")


@dataclass(frozen=True)
class Variable:
    """An array, a stack of arrays or a cell array of a file. ``kind``: its shape and dtype for messages. ``fault``: why it holds
    no kernel, as known from the header, or "". ``read``: returns the arrays."""

    name: str
    kind: str
    fault: str
    read: Callable[[], Sequence[Array]]


def array_variable(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], read: Callable[[], Array], *, last: bool) -> Variable:
    """A variable that is one array: a kernel, or a stack of kernels along the first axis, or along the last if ``last``.

    Axes of length 1 beyond three are dropped, so (N, 1, h, w) is a stack. If exactly two neighbouring axes have the same length,
    these are the sides of the kernels, and the stack lies along the third. Otherwise, the stack lies along an end of length 1, or
    along the end along which each slice sums to 1, if that is true of one end only.
    """
    kind = f"{'x'.join(map(str, shape))} {dtype}"
    if dtype.kind not in "iuf":
        return Variable(name, kind, "not real numbers", tuple)
    reduced = _reduced(shape, last=last) or _reduced(shape, last=not last)
    if reduced is None or 0 in shape:
        return Variable(name, kind, "neither a matrix nor a stack of matrices", tuple)
    most, axis = most_side(name), _stack_axis(reduced)
    ends = (axis,) if axis is not None else (0, 2)
    if len(reduced) == 2:
        longest = max(reduced)
    else:
        longest = min(max(side for place, side in enumerate(reduced) if place != end) for end in ends)
    if longest > most:
        return Variable(name, kind, f"more than {most} px on a side", tuple)

    def unstacked() -> list[Array]:
        array = read().reshape(reduced)
        if array.ndim == 2:
            return [array]
        return list(np.moveaxis(array, _summing_axis(array, 2 if last else 0) if axis is None else axis, 0))

    return Variable(name, kind, "", unstacked)


def most_side(name: str) -> int:
    """The longest side in pixels of a kernel in a variable of this name."""
    words = "|".join(stem for stem in NAMES if len(stem) > 1)
    pattern = re.compile(rf".*(?:{words})[\W_]?\d*", re.IGNORECASE | re.DOTALL)
    return LARGEST_SIDE if any(pattern.fullmatch(part) for part in name.split("/")) else MAX_SIDE


def _reduced(shape: tuple[int, ...], *, last: bool) -> tuple[int, ...] | None:
    """The shape without axes of length 1 beyond three, or None if it is no matrix and no stack of matrices.

    The sides are the last two axes, or with ``last`` the first two. An axis of length 1 at their end is dropped first.
    """
    axes = shape[::-1] if last else shape
    while len(axes) > 3 and axes[-1] == 1:
        axes = axes[:-1]
    if len(axes) > 3 and sum(length != 1 for length in axes[:-2]) <= 1:
        axes = (max(axes[:-2]), *axes[-2:])
    if len(axes) not in (2, 3):
        return None
    return axes[::-1] if last else axes


def _stack_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of a stack that the shape decides."""
    if len(shape) != 3:
        return None
    if (shape[0] == shape[1]) != (shape[1] == shape[2]):
        return 2 if shape[0] == shape[1] else 0
    if (shape[0] == 1) != (shape[2] == 1):
        return 0 if shape[0] == 1 else 2
    return None


def _summing_axis(array: Array, default: int) -> int:
    """The end of a stack along which each slice sums to 1, if that is true of one end only; otherwise the default."""
    first, last = (np.allclose(array.sum(axis=sides, dtype=np.float64), 1, rtol=0, atol=0.01) for sides in ((1, 2), (0, 1)))
    return default if first == last else 0 if first else 2


def choose(path: Path, variables: Sequence[Variable], titles: Sequence[str]) -> tuple[list[Array], list[str] | None]:
    """Return the kernels among the variables of a file, and their names.

    ``titles``: names that the file holds; they are used if they are distinct and as many as the kernels. Otherwise names are made
    from the names of the variables, or None if these are not distinct. Raises UsageError if no variable is a kernel.
    """
    faults = {variable.name: variable.fault for variable in variables}
    for stem in (*NAMES, ""):
        named = len(stem) > 1
        pattern = re.compile((".*" if named else r"(?:.*[\W_])?") + (stem or ".*") + r"[\W_]?\d*", re.IGNORECASE | re.DOTALL)
        arrays: list[Array] = []
        names: list[str] = []
        for variable in variables:
            if variable.fault or not any(pattern.fullmatch(part) for part in variable.name.split("/")):
                continue
            stack = variable.read()
            most = most_side(variable.name)
            reasons = (fault(array, named=named, alone=len(variables) == 1, most=most) for array in stack)
            faults[variable.name] = next((reason for reason in reasons if reason), "" if stack else "empty")
            if not faults[variable.name]:
                arrays += stack
                names += [variable.name] if len(stack) == 1 else [f"{variable.name}_{i}" for i in range(len(stack))]
        if arrays:
            if len(titles) == len(arrays) == len({title.strip() for title in titles} - {""}):
                return arrays, [title.strip() for title in titles]
            return arrays, names if len(set(names)) == len(names) else None
    contents = [f"{variable.name} ({variable.kind}: {faults[variable.name]})" for variable in variables]
    listed = "; ".join(contents[:8] + ["..."] * (len(contents) > 8))
    raise UsageError(f"{path}: no variable looks like a blur kernel; the file holds {listed or 'no arrays at all'}")


def fault(array: Array, *, named: bool, alone: bool, most: int = MAX_SIDE) -> str:
    """Why an array is not a kernel, or "". ``named``: its name is that of a kernel. ``alone``: the file has no other array.
    ``most``: the longest side in pixels."""
    if array.dtype.kind not in "iuf" or array.ndim != 2:
        return "not a matrix of real numbers"
    if array.size == 0 or max(array.shape) > most:
        return f"empty, or more than {most} px on a side"
    large = max(array.shape) > MAX_SIDE
    if not large and (named or (alone and min(array.shape) <= BELIEVED_SIDE)):
        return ""
    taps = array.astype(np.float64)
    peak, total = taps.max(), taps.sum()
    if array.size == 1 or not np.isfinite(total) or peak <= 0 or taps.min() < -1e-3 * peak:
        wrong = "a single number, or it has values that are negative, all zero or not finite"
        return f"more than {MAX_SIDE} px on a side, and {wrong}" if large else wrong
    inner = taps[1:-1, 1:-1]
    if abs(total - 1) <= 0.01 or (total - inner.sum()) <= FADED * peak * (taps.size - inner.size):
        return ""
    more = f"with more than {MAX_SIDE} px on a side, " if large else ""
    return f"{more}it neither sums to 1 nor fades towards its border, as a kernel does"
