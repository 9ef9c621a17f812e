"""Standard normal numbers from random words, by the ziggurat of Marsaglia and Tsang (Journal of Statistical Software 5(8), 2000).

Layers of equal area cover the right half of the bell curve. Nearly every word falls inside a layer and costs one multiplication.
The layer, the sign and the magnitude are separate bits of the word; Doornik (2005) shows the errors that shared bits cause.
Except for the rare cases at the edges of layers, the arithmetic rounds in the same way on every machine.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from blurkit.camera.arrays import F32, F64, U32
from blurkit.jit import compiled

LAYERS = 128
# The start of the tail and the area of a layer: the published constants for 128 layers.
_TAIL = 3.442619855899
_AREA = 9.91256303526217e-3
_MAGNITUDES = 2**24  # a float32 holds them exactly


@functools.cache
def ziggurat() -> tuple[F32, U32, F64]:
    """The tables of :func:`normals`.

    Returns ``steps``: the width of a layer divided by the number of magnitudes, float32 (LAYERS,). ``inside``: magnitudes below
    this value lie under the curve, uint32 (LAYERS,). ``heights``: exp(-x^2 / 2) at the edges of the layers, from the tail
    inwards, float64 (LAYERS + 1,).
    """
    widths = [_AREA / math.exp(-_TAIL * _TAIL / 2), _TAIL]
    while len(widths) < LAYERS:
        widths.append(math.sqrt(-2 * math.log(_AREA / widths[-1] + math.exp(-(widths[-1] ** 2) / 2))))
    widths.append(0.0)
    edges = np.array(widths)
    steps = (edges[:-1] / _MAGNITUDES).astype(np.float32)
    inside = (_MAGNITUDES * (edges[1:] / edges[:-1])).astype(np.uint32)
    heights = np.array([math.exp(-width * width / 2) for width in widths])
    return steps, inside, heights


@compiled(error_model="numpy")
def normals(words: U32, steps: F32, inside: U32, heights: F64, rng: np.random.Generator, drawn: F32) -> None:
    """Fill ``drawn``, float32 (n,), with standard normal numbers, one for each uniform word, uint32 (n,).

    ``steps``, ``inside`` and ``heights``: the tables of :func:`ziggurat`. ``drawn`` and ``words`` may share memory. About one
    number in eighty needs more random bits than its word has; these bits come from ``rng``.
    """
    for i in range(words.size):
        word = words[i]
        magnitude = word >> np.uint32(8)
        layer = word & np.uint32(127)
        value = np.float32(magnitude) * steps[layer]
        if magnitude >= inside[layer]:
            value = _at_an_edge(word, steps, inside, heights, rng)
        drawn[i] = -value if word & np.uint32(128) else value


@compiled(error_model="numpy")
def _at_an_edge(word: np.uint32, steps: F32, inside: U32, heights: F64, rng: np.random.Generator) -> np.float32:
    """The magnitude of a normal number for a word outside the part of its layer that surely lies under the curve."""
    while True:
        magnitude = word >> np.uint32(8)
        layer = word & np.uint32(127)
        value = np.float32(magnitude) * steps[layer]
        if magnitude < inside[layer]:
            return value
        if layer == 0:
            return np.float32(_TAIL + _beyond(_TAIL, rng))
        height = heights[layer] + rng.random() * (heights[layer + 1] - heights[layer])
        if height < math.exp(-0.5 * np.float64(value) * np.float64(value)):
            return value
        word = np.uint32(rng.random() * 2.0**32)


@compiled(error_model="numpy")
def _beyond(start: float, rng: np.random.Generator) -> float:
    """The distance of a normal number of the tail from ``start`` (Marsaglia, Technometrics 6(1), 1964)."""
    while True:
        excess = -math.log(1 - rng.random()) / start
        if -2 * math.log(1 - rng.random()) > excess * excess:
            return excess
