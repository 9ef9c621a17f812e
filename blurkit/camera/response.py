"""Camera response functions: encoded pixel codes <-> linear light.

A :class:`Response` is a strictly increasing curve from 8-bit codes to linear light in [0, 1]. Decoding is a table of 256
entries. Encoding to 8 bits compares with the 255 *thresholds* at which the code changes, so it is exactly "encode, times 255,
round to nearest" and ``quantize(decode(code)) == code`` holds for every code of every curve.

The sRGB curve is that of IEC 61966-2-1; ``a7r3`` is the polynomial that RSBlur (Rim et al., ECCV 2022) fitted to the photographs
of a Sony A7R III, from linear light to encoded values. It falls in one place and leaves [0, 1] at both ends, so it has no
inverse: such a *forward-only* response encodes, and no photograph is decoded by it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64, I64, U8, U64
from blurkit.errors import UsageError
from blurkit.jit import compiled
from blurkit.program.checks import require

# Linear light is sorted into this many equal bins; what a bin can mean is looked up.
BINS = 4096
_PIECE = 2048


@dataclass(frozen=True, eq=False)
class Response:
    """A camera response function.

    ``table``: float32 (256,), the linear light in [0, 1] of each code, strictly increasing.
    ``thresholds``: float32 (257,), code ``c`` stands for ``thresholds[c] <= linear < thresholds[c + 1]``; ends are infinite.
    ``entries``: uint64 (BINS + 1,), see :func:`_entries`. ``steep``: whether some bin holds more than one threshold. The table
    of a forward-only response is NaN.
    """

    name: str
    table: F32
    thresholds: F32
    entries: U64
    steep: bool

    @classmethod
    def from_table(cls, name: str, table: ArrayLike, midpoints: ArrayLike | None = None) -> Response:
        """A response from the linear light of its 256 codes, and optionally of its 255 half codes (else interpolated)."""
        values = np.asarray(table, np.float64)
        good = values.shape == (256,) and bool(np.all(np.isfinite(values)) and np.all(np.diff(values) > 0))
        require(good, f"response {name!r}: a table needs 256 finite, strictly increasing values; got shape {values.shape}")
        spans = f"[{values[0]}, {values[-1]}]"
        require(values[0] >= 0 and values[-1] <= 1, f"response {name!r}: linear light lies in [0, 1], this table spans {spans}")
        middle = (values[:-1] + values[1:]) / 2 if midpoints is None else np.asarray(midpoints, np.float64)
        return cls._make(name, values, middle)

    @classmethod
    def from_curve(cls, name: str, curve: Callable[[F64], F64]) -> Response:
        """A forward-only response from a continuous curve, from linear light in [0, 1] to encoded values, both float64.

        The curve is clipped to [0, 1], and where it falls its running maximum stands in.
        """
        light = np.linspace(0, 1, 2**16 + 1)
        rising = np.append(np.maximum.accumulate(curve(light)), np.inf)  # levels that it never reaches come last
        levels = (np.arange(255) + 0.5) / 255
        first = np.searchsorted(rising, levels)
        low, high = light[np.maximum(first - 1, 0)], np.append(light, np.inf)[first]
        for _ in range(50):
            middle = (low + high) / 2
            reached = (first == 0) | (curve(np.minimum(middle, 1)) >= levels)
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return cls._make(name, np.full(256, np.nan), np.where(np.isinf(rising[first]), np.inf, high))

    @classmethod
    def _make(cls, name: str, table: F64, middle: F64) -> Response:
        exact = np.concatenate(([-np.inf], middle, [np.inf]))
        thresholds = exact.astype(np.float32)  # rounded up, so that a float32 compares as it would with the exact value
        thresholds = np.where(thresholds < exact, np.nextafter(thresholds, np.float32(np.inf)), thresholds)
        edges = (np.arange(BINS + 1) / BINS).astype(np.float32)
        starts = np.searchsorted(thresholds, edges, side="right") - 1
        steep = bool(np.any(np.diff(starts) > 1))
        return cls(name, table.astype(np.float32), thresholds, _entries(starts, thresholds), steep)

    @property
    def forward_only(self) -> bool:
        """Whether the response encodes alone."""
        return bool(np.isnan(self.table[0]))

    def require_inverse(self) -> None:
        """Raise :class:`UsageError` where the response is forward-only."""
        advice = "decode photographs by the curve that they were encoded with, for most of them srgb"
        require(not self.forward_only, f"response {self.name!r} only encodes: {advice}, and name this one for encoding alone")

    def decode(self, codes: U8) -> F32:
        """Linear light, float32 in [0, 1], of uint8 codes of any shape."""
        require(codes.dtype == np.uint8, f"decode takes uint8 codes, got {codes.dtype}")
        self.require_inverse()
        return self.table[codes]

    def encode(self, linear: ArrayLike) -> F64:
        """The encoded value in [0, 1], float64, of linear light; values outside [0, 1] are clipped.

        It passes through ``code / 255`` at each code of the table and is linear between codes and half codes; a forward-only
        response is linear between half codes.
        """
        knots, values = np.empty((2, 511))
        knots[::2], knots[1::2] = self.table, self.thresholds[1:256]
        values[::2], values[1::2] = _CODES, _HALF_CODES
        if self.forward_only:
            knots[[0, -1]] = 0, 1
            known = np.isfinite(knots)
            knots, values = knots[known], values[known]
        return np.interp(np.asarray(linear, np.float64), knots, values)

    def quantize(self, linear: F32) -> U8:
        """The nearest code, uint8, of float32 linear light of any shape; values outside [0, 1] are clipped, NaN becomes 0."""
        rows = np.ascontiguousarray(linear, np.float32).reshape(1, -1)
        codes = np.empty(rows.shape, np.uint8)
        quantize_rows(rows, self.entries, self.thresholds, self.steep, codes)
        return codes.reshape(linear.shape)


def _entries(starts: I64, thresholds: F32) -> U64:
    """For each bin of linear light, in one word, the code at its lower edge and the threshold of the next code.

    An entry is ``(code + 1) * 2**32 - bits``, with the bits of the threshold as float32. Adding the bits of a value makes the
    upper half of the word ``code + 1`` from the threshold on and ``code`` below it, as floats >= 0 sort like their bits.
    """
    following = starts.astype(np.uint64) + np.uint64(1)
    return (following << np.uint64(32)) - thresholds[following].view(np.uint32)


@compiled(error_model="numpy")
def quantize_rows(linear: F32, entries: U64, thresholds: F32, steep: bool, codes: U8) -> None:
    """The codes, uint8 (h, w), of the upper left part (h, w) of linear light; the other arguments are those of a response."""
    # Unsigned indices and one simple loop per step are what becomes vector code; a piece of a row stays in first-level cache.
    values, bins = np.empty(_PIECE, np.float32), np.empty(_PIECE, np.uint16)
    bits = values.view(np.uint32)
    for y in range(codes.shape[0]):
        for start in range(0, codes.shape[1], _PIECE):
            target = codes[y, start : start + _PIECE]
            row = linear[y, start : start + target.size]
            width = np.uint64(target.size)
            for x in range(width):
                value = min(row[x], np.float32(1)) if row[x] > 0 else np.float32(0)
                values[x] = value
                bins[x] = np.int32(value * np.float32(BINS))
            for x in range(width):
                target[x] = (entries[bins[x]] + bits[x]) >> np.uint64(32)
            if steep:
                for x in range(width):
                    code = np.uint32(target[x])
                    while values[x] >= thresholds[code + np.uint32(1)]:
                        code += np.uint32(1)
                    target[x] = code


def _srgb(encoded: F64) -> F64:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


_CURVES: dict[str, Callable[[F64], F64]] = {
    "srgb": _srgb,
    "gamma2.2": lambda encoded: encoded**2.2,
    "linear": lambda encoded: encoded,
}
_A7R3 = (-0.0095228, 8.698516, -45.157821, 150.711809, -308.197829, 368.308117, -235.163398, 61.832224)
_FORWARD_CURVES = {"a7r3": lambda linear: np.asarray(np.polynomial.polynomial.polyval(linear, _A7R3), np.float64)}
_CODES = np.arange(256) / 255.0
_HALF_CODES = (_CODES[:-1] + _CODES[1:]) / 2


def is_curve(name: str) -> bool:
    """Whether a response's name stands for a curve, and not for a file."""
    return name in _CURVES or name in _FORWARD_CURVES or name.startswith("gamma")


@functools.lru_cache(maxsize=16)
def load_response(name: str) -> Response:
    """A response by name (``srgb``, ``gamma2.2``, ``gamma<exponent>``, ``linear``, ``a7r3``) or from a file of 256 numbers.

    The file holds the linear light of codes 0 to 255 as text, separated by white space or commas, or as ``.npy``.
    """
    if name in _FORWARD_CURVES:
        return Response.from_curve(name, _FORWARD_CURVES[name])
    if not is_curve(name):
        return Response.from_table(name, _read_table(name))
    curve = _CURVES.get(name) or _power(name)
    return Response.from_table(name, curve(_CODES), curve(_HALF_CODES))


def _power(name: str) -> Callable[[F64], F64]:
    try:
        exponent = float(name.removeprefix("gamma"))
    except ValueError:
        exponent = 0.0
    require(1.0 <= exponent <= 4.0, f"response {name!r}: write gamma and an exponent from 1 to 4, such as gamma2.2")
    return lambda encoded: encoded**exponent


def _read_table(name: str) -> F64:
    path = Path(name)
    known = ", ".join((*_CURVES, *_FORWARD_CURVES))
    require(path.is_file(), f"unknown response {name!r}: it is none of {known} and there is no such file")
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), np.float64).reshape(-1)
        return np.array([float(word) for word in path.read_text().replace(",", " ").split()])
    except ValueError as error:
        raise UsageError(f"response table {name}: {error}; it needs 256 numbers, the linear light of codes 0 to 255") from error
