"""Short names for array types, and checks of arrays that callers pass in."""

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


def require_array(name: str, value: Any) -> None:
    """Raise :class:`UsageError` unless ``value`` is a NumPy array. ``name``: what the message calls the value."""
    if isinstance(value, np.ndarray):
        return
    advice = "numpy.asarray converts lists and the images of other libraries"
    if any(base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__):
        advice = "use image.permute(1, 2, 0).cpu().numpy() for shape (C, H, W), or image.cpu().numpy() for any other shape"
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise UsageError(f"{name} is a numpy array, got {kind}; {advice}")


def check_array(name: str, value: Any, dtypes: str, *shapes: str) -> None:
    """Raise :class:`UsageError` unless ``value`` is a NumPy array of one of these dtypes and one of these shapes.

    ``dtypes``: the names of dtypes, such as "uint8 or float32". ``shapes``: the sides, such as "H, W, 3". The side ``n`` may be
    0. Every other letter stands for a side of at least 1.
    """
    require_array(name, value)
    if str(value.dtype) not in dtypes.split(" or ") or not any(_fits(value.shape, shape.split(", ")) for shape in shapes):
        wanted = f"{dtypes} of shape {' or '.join(f'({shape})' for shape in shapes)} with at least one pixel"
        advice = "; decode codes with Response.decode first" if dtypes == "float32" and value.dtype == np.uint8 else ""
        raise UsageError(f"{name} is {wanted}, got {value.dtype} of shape {value.shape}{advice}")


def _fits(shape: tuple[int, ...], sides: list[str]) -> bool:
    fits = (size == int(side) if side.isdigit() else size > 0 or side == "n" for size, side in zip(shape, sides, strict=False))
    return len(shape) == len(sides) and all(fits)


def checked_path(path: ArrayLike, columns: int, name: str = "a path") -> F64:
    """Return the path as float64 ``(T, columns)``. Raises UsageError unless T >= 1 and all numbers are finite."""
    points = np.ascontiguousarray(path, np.float64)
    good = points.ndim == 2 and points.shape[1] == columns and len(points) > 0
    require(good, f"{name} has shape (T, {columns}) with T >= 1, got {points.shape}")
    if not np.isfinite(points).all():
        first = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise UsageError(f"{name} has a number that is not finite, at sample {first}")
    return points


def checked_weights(weights: ArrayLike, name: str) -> F64:
    """Return the weights of a ``name`` each as float64 (n,). Raises UsageError unless they are finite, >= 0 and not all zero."""
    shares = np.asarray(weights, np.float64, order="C")
    good = shares.ndim == 1 and bool((shares >= 0).all()) and 0 < shares.sum() < np.inf
    require(good, f"weights are one finite number >= 0 for each {name}, not all zero")
    return shares
