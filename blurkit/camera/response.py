"""Camera response functions: from pixel codes to linear light and back.

A :class:`Response` is a strictly increasing curve from 8-bit codes to linear light in [0, 1]. Decoding looks up a table of 256
entries. Encoding compares the light with the 255 *thresholds* at which the code changes. So encoding is exactly "encode, multiply
by 255, round to nearest", and ``quantize(decode(code)) == code`` holds for every code of every curve.

The curve ``srgb`` is defined by IEC 61966-2-1. The curve ``a7r3``, from linear light to encoded values, is the polynomial that
RSBlur (Rim et al., ECCV 2022) fitted to the photographs of a Sony A7R III. The polynomial falls in one place and leaves [0, 1]
at both ends, so it has no inverse. A response without an inverse is *forward-only*: it can encode, but it cannot decode.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64, I64, U8, U64
from blurkit.decode.arrays import read_array
from blurkit.errors import UnreadableFileError, UsageError
from blurkit.jit import compiled
from blurkit.program.checks import require
from blurkit.program.files import read_regular
from blurkit.program.text import decode_text

# Encoding divides linear light into this many equal bins and looks up the codes of a bin.
BINS = 4096
_PIECE = 2048

# A file of 256 numbers is much smaller.
_MOST_TABLE_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Response:
    """A camera response function.

    ``table``: the linear light in [0, 1] of each code, float32 (256,), strictly increasing; NaN for a forward-only response.
    ``thresholds``: code ``c`` stands for ``thresholds[c] <= linear < thresholds[c + 1]``, float32 (257,); the ends are infinite.
    ``entries``: uint64 (BINS + 1,), see :func:`_entries`. ``steep``: whether any bin holds more than one threshold.
    """

    name: str
    table: F32
    thresholds: F32
    entries: U64
    steep: bool

    @classmethod
    def from_table(cls, name: str, table: ArrayLike, midpoints: ArrayLike | None = None) -> Response:
        """A response from the linear light of its 256 codes. ``midpoints``: that of the 255 half codes, interpolated if None."""
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

        The curve is clipped to [0, 1] and replaced by its running maximum, so that it never falls.
        """
        light = np.linspace(0, 1, 2**16 + 1)
        rising = np.append(np.maximum.accumulate(curve(light)), np.inf)  # levels that the curve never reaches come last
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
        thresholds = exact.astype(np.float32)  # rounded up, so that a comparison gives the same result as with the exact value
        thresholds = np.where(thresholds < exact, np.nextafter(thresholds, np.float32(np.inf)), thresholds)
        edges = (np.arange(BINS + 1) / BINS).astype(np.float32)
        starts = np.searchsorted(thresholds, edges, side="right") - 1
        steep = bool(np.any(np.diff(starts) > 1))
        return cls(name, table.astype(np.float32), thresholds, _entries(starts, thresholds), steep)

    @property
    def forward_only(self) -> bool:
        """Whether the response can only encode."""
        return bool(np.isnan(self.table[0]))

    def require_inverse(self) -> None:
        """Raise :class:`UsageError` if the response is forward-only."""
        advice = "decode photographs with the curve that encoded them, usually srgb"
        require(not self.forward_only, f"response {self.name!r} only encodes; {advice}, and use {self.name!r} for encoding only")

    def decode(self, codes: U8) -> F32:
        """Linear light, float32 in [0, 1], of uint8 codes of any shape."""
        require(codes.dtype == np.uint8, f"decode takes uint8 codes, got {codes.dtype}")
        self.require_inverse()
        return self.table[codes]

    def encode(self, linear: ArrayLike) -> F64:
        """The encoded value in [0, 1], float64, of linear light of any shape. Light outside [0, 1] is clipped.

        The encoded value of the light of a code is ``code / 255``. Between codes and half codes the curve is linear. A
        forward-only response is linear between half codes.
        """
        return np.interp(np.asarray(linear, np.float64), *self.knots())

    def knots(self) -> tuple[F64, F64]:
        """The points between which :meth:`encode` is linear: linear light, increasing, and the encoded value in [0, 1]. A
        response with an inverse has 511, at every code and half code."""
        knots, values = np.empty((2, 511))
        knots[::2], knots[1::2] = self.table, self.thresholds[1:256]
        values[::2], values[1::2] = _CODES, _HALF_CODES
        if self.forward_only:
            knots[[0, -1]] = 0, 1
            known = np.isfinite(knots)
            knots, values = knots[known], values[known]
        return knots, values

    def quantize(self, linear: F32) -> U8:
        """The nearest code, uint8, of float32 linear light of any shape. Light outside [0, 1] is clipped, and NaN becomes 0."""
        rows = np.ascontiguousarray(linear, np.float32).reshape(1, -1)
        codes = np.empty(rows.shape, np.uint8)
        quantize_rows(rows, self.entries, self.thresholds, self.steep, codes)
        return codes.reshape(linear.shape)


def _entries(starts: I64, thresholds: F32) -> U64:
    """One word for each bin of linear light: the code at the lower edge of the bin, and the threshold of the next code.

    An entry is ``(code + 1) * 2**32 - bits``, where ``bits`` are the bits of the threshold as float32. To encode a value, its
    bits are added to the entry. The upper half of the sum is ``code + 1`` if the value reaches the threshold, else ``code``,
    because floats >= 0 have the same order as their bits.
    """
    following = starts.astype(np.uint64) + np.uint64(1)
    return (following << np.uint64(32)) - thresholds[following].view(np.uint32)


@compiled(error_model="numpy")
def quantize_rows(linear: F32, entries: U64, thresholds: F32, steep: bool, codes: U8) -> None:
    """Fill ``codes``, uint8 (h, w), from the upper left part (h, w) of ``linear``. The others are fields of a response."""
    # Unsigned indices and one simple loop per step are compiled to vector code. A piece of a row stays in the first-level cache.
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
    """Whether the name of a response is a curve and not a file."""
    return name in _CURVES or name in _FORWARD_CURVES or name.startswith("gamma")


@functools.lru_cache(maxsize=16)
def load_response(name: str) -> Response:
    """A response by the name of a curve (``srgb``, ``gamma2.2``, ``gamma<exponent>``, ``linear``, ``a7r3``) or from a file.

    The file holds 256 numbers, the linear light of the codes 0 to 255. It is a text file, with white space or commas between the
    numbers, or a ``.npy`` file. Raises UsageError for an unknown name and for a file without 256 such numbers.
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
    advice = "it needs 256 numbers, the linear light of codes 0 to 255"
    try:
        data = read_regular(path, most=_MOST_TABLE_BYTES)
    except UnreadableFileError as error:
        if error.reason in ("missing", "not_a_file"):
            none = f"it is none of {known} or gamma<exponent>, and there is no such file"
            raise UsageError(f"unknown response {name!r}: {none}") from error
        raise UsageError(f"response table {name}: {error} A table is small: {advice}") from error
    try:
        if path.suffix == ".npy":
            return np.asarray(read_array(io.BytesIO(data), most=_MOST_TABLE_BYTES), np.float64).reshape(-1)
        text = decode_text(data, where=f"response table {name}")
        return np.array([float(word) for word in text.replace(",", " ").split()])
    except (ValueError, TypeError) as error:
        raise UsageError(f"response table {name}: {error}; {advice}") from error
