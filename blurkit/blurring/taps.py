"""Direct convolution: a kernel as the list of its nonzero taps, and the compiled loop over the taps.

Most values of a motion blur kernel are zero, so the time depends on the number of taps and not on the size of the kernel. Two
output rows are computed together. The pixel that a tap reads for the lower row is also read for the upper row, by the tap below.
So the loop runs over the union of the taps of both rows, and each load of a pixel serves two multiply-adds. A row of interleaved
channels is one flat row, and the loop along the row is compiled to vector code.

The sum of a pixel runs over its taps in the order of the list, with one fused multiply-add per tap. Taps that belong only to the
other row of the pair have weight zero. So the bits of a pixel depend on the pixels around it, but not on its row or its tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blurkit.blurring.tiles import Halo, Window, support
from blurkit.camera.arrays import F32, I64, U64
from blurkit.jit import compiled

# The taps of one pass along a pair of rows. Their 12 weights, two sums and a pixel fit in the 16 vector registers of AVX2.
_GROUP = 6
# The values in the rows that a pair reads and writes. They fill half of a second-level cache of 1 MiB.
_PAIR_VALUES = 110_000
# The values of a tile without its halo. Tall tiles repeat little of their halo. Small tiles are in the cache for the encoding.
_TILE_VALUES = 320_000

_U = np.uint64  # numba checks signed indices for wrap-around, and this check prevents vector code


@dataclass(frozen=True)
class Taps:
    """A kernel as groups of taps for pairs of rows.

    ``rows``, ``columns``: the pixel that a tap reads, counted from the first pixel of the halo, int64 (n, 6). ``weights``: for
    the upper row of a pair, then for the lower row, float32 (n, 12). ``halo``: includes the row that only the lower row reads.
    """

    rows: I64
    columns: I64
    weights: F32
    halo: Halo

    @classmethod
    def of(cls, kernel: F32) -> Taps:
        """The taps of a kernel ``(h, w)`` with odd sides, centred on its middle."""
        kernel, (above, below, left, right) = support(kernel)
        pair = np.zeros((2, kernel.shape[0] + 1, kernel.shape[1]), np.float32)
        pair[0, :-1] = pair[1, 1:] = kernel[::-1, ::-1]
        taps = np.argwhere(pair.any(axis=0))
        count = max(-(-len(taps) // _GROUP), 1) * _GROUP
        places, weights = np.zeros((2, count), np.int64), np.zeros((2, count), np.float32)
        places[:, : len(taps)] = taps.T
        weights[:, : len(taps)] = pair[:, taps[:, 0], taps[:, 1]]
        rows, columns = places.reshape(2, -1, _GROUP)
        halo = (above, below + 1, left, right)
        return cls(rows, columns, np.concatenate(weights.reshape(2, -1, _GROUP), axis=1), halo)

    def tile_size(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """The height and width in pixels of the tiles of a box of ``shape`` (h, w, C).

        The box is split evenly into strips, so that the rows of a pair stay in the cache. The strips are split into tiles. The
        height of a tile is even, so only the last row of the box can be without a partner.
        """
        height, width, channels = shape
        rows = int(self.rows.max()) + 3  # the rows that a pair reads, and the two rows that it writes
        strip = -(-width // -(-rows * width * channels // _PAIR_VALUES))
        pairs = -(-height // (2 * -(-height * strip * channels // _TILE_VALUES)))
        return 2 * pairs, strip

    def apply(self, values: F32, target: Window, height: int, width: int, channels: int) -> None:
        """Convolve ``height`` x ``width`` pixels. ``values``: these pixels and their halo, float32. ``target``: float32.

        If the height is odd, one more row of arbitrary values is written, and ``target`` needs room for this row.
        """
        assert target.top + height + height % 2 <= target.values.shape[0], "target needs one more row if the height is odd"
        stride = values.shape[1]
        _convolve(
            values.reshape(-1),
            stride,
            (self.rows * stride + channels * self.columns).astype(np.uint64),
            self.weights,
            target.values[target.top :].reshape(-1)[target.left :],
            target.values.shape[1],
            height,
            channels * width,
        )


@compiled(error_model="numpy", fastmath={"contract"})
def _convolve(pixels: F32, stride: int, offsets: U64, weights: F32, sums: F32, sums_stride: int, height: int, width: int) -> None:
    count = _U(width)
    for y in range(_U(0), _U(height), _U(2)):
        a = y * _U(sums_stride)
        b = a + _U(sums_stride)
        for x in range(count):
            sums[a + x] = 0
            sums[b + x] = 0
        row = y * _U(stride)
        for group in range(_U(weights.shape[0])):
            o, w = offsets[group], weights[group]
            o0, o1, o2, o3, o4, o5 = row + o[0], row + o[1], row + o[2], row + o[3], row + o[4], row + o[5]
            u0, u1, u2, u3, u4, u5 = w[0], w[1], w[2], w[3], w[4], w[5]
            v0, v1, v2, v3, v4, v5 = w[6], w[7], w[8], w[9], w[10], w[11]
            for x in range(count):
                p0, p1, p2 = pixels[o0 + x], pixels[o1 + x], pixels[o2 + x]
                p3, p4, p5 = pixels[o3 + x], pixels[o4 + x], pixels[o5 + x]
                upper = sums[a + x] + u0 * p0 + u1 * p1 + u2 * p2 + u3 * p3 + u4 * p4 + u5 * p5
                lower = sums[b + x] + v0 * p0 + v1 * p1 + v2 * p2 + v3 * p3 + v4 * p4 + v5 * p5
                sums[a + x] = upper
                sums[b + x] = lower
