"""Arrays: short names of their types, and one answer to an argument that is none or has another dtype or shape."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError
from blurkit.program.checks import require

Array: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.floating]
F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
I16: TypeAlias = NDArray[np.int16]
I64: TypeAlias = NDArray[np.int64]
U8: TypeAlias = NDArray[np.uint8]
U32: TypeAlias = NDArray[np.uint32]
U64: TypeAlias = NDArray[np.uint64]


def require_array(what: str, given: Any) -> None:
    """Raise :class:`UsageError` unless ``what`` is given as a NumPy array; the message tells what came, and what to do."""
    if isinstance(given, np.ndarray):
        return
    advice = "numpy.asarray makes one of lists and of other libraries' images"
    if any(base.__module__.partition(".")[0] == "torch" for base in type(given).__mro__):
        advice = "use image.permute(1, 2, 0).cpu().numpy() for shape (C, H, W), and image.cpu().numpy() for any other"
    name = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
    raise UsageError(f"{what} is a numpy array, got {name}; {advice}")


def check_array(what: str, given: Any, dtypes: str, *shapes: str) -> None:
    """Raise :class:`UsageError` unless ``what`` is given as a NumPy array of one of these dtypes and shapes.

    ``dtypes``: names, such as "uint8 or float32". ``shapes``: sides, such as "H, W, 3". Letters are at least 1, but for ``n``,
    which counts.
    """
    require_array(what, given)
    if str(given.dtype) not in dtypes.split(" or ") or not any(_fits(given.shape, shape.split(", ")) for shape in shapes):
        wanted = f"{dtypes} of shape {' or '.join(f'({shape})' for shape in shapes)} with at least one pixel"
        advice = "; decode codes with Response.decode first" if dtypes == "float32" and given.dtype == np.uint8 else ""
        raise UsageError(f"{what} is {wanted}, got {given.dtype} of shape {given.shape}{advice}")


def _fits(shape: tuple[int, ...], sides: list[str]) -> bool:
    fits = (size == int(side) if side.isdigit() else size > 0 or side == "n" for size, side in zip(shape, sides, strict=False))
    return len(shape) == len(sides) and all(fits)


def checked_path(path: ArrayLike, columns: int, what: str = "a path") -> F64:
    """A path as float64 ``(T, columns)``; UsageError unless T >= 1 and all of it is finite."""
    points = np.ascontiguousarray(path, np.float64)
    good = points.ndim == 2 and points.shape[1] == columns and len(points) > 0
    require(good, f"{what} has shape (T, {columns}) with T >= 1, got {points.shape}")
    if not np.isfinite(points).all():
        first = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise UsageError(f"{what} has a number that is not finite, at sample {first}")
    return points


def checked_weights(weights: ArrayLike, what: str) -> F64:
    """One weight for each of ``what``, float64 (n,), n >= 1; UsageError unless they are finite, >= 0, and not all zero."""
    shares = np.asarray(weights, np.float64, order="C")
    good = shares.ndim == 1 and bool((shares >= 0).all()) and 0 < shares.sum() < np.inf
    require(good, f"weights are one finite number >= 0 for each {what}, not all zero")
    return shares
