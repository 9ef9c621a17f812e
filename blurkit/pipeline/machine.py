"""Tells kinds of machines apart whose pixels differ although all package versions are equal.

Libraries choose their code by the processor, by how they were built, and by environment variables. libjpeg-turbo without SIMD,
OpenCV without AVX2 and compiled code without fused multiply-add give other bytes. So the code is run on a packaged photograph,
and the results are compared, not the names of processors: two processors with equal results are one kind of machine.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import cv2
import numpy as np

from blurkit.decode.image import read_image
from blurkit.jit import has_fused_multiply_add

#: The keys of :func:`machine_kind`, in words.
_WORDS = {"decoder": "the JPEG decoder", "filters": "OpenCV's filters", "multiply_add": "multiplication and addition"}


@functools.cache
def machine_kind() -> Mapping[str, str]:
    """Returns what distinguishes this machine: 12 hexadecimal digits of what its ``decoder`` and its ``filters`` make of a
    packaged photograph, and whether ``multiply_add`` is ``fused`` or ``separate`` in compiled code."""
    photograph = read_image(str(resources.files("blurkit.data_manifests") / "sample" / "coffee.jpg")).pixels
    again = cv2.imencode(".jpg", photograph, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]  # 4:2:0, as cameras write
    light = photograph.astype(np.float32) / 255
    y, x = np.mgrid[:300, :400].astype(np.float32)
    filtered = cv2.GaussianBlur(light, (0, 0), 1.7), cv2.remap(light, 0.9 * x + 0.3, 0.8 * y + 0.2, cv2.INTER_LINEAR)
    return {
        "decoder": _digest(photograph, again, cv2.imdecode(again, cv2.IMREAD_COLOR)),
        "filters": _digest(*filtered),
        "multiply_add": "fused" if has_fused_multiply_add() else "separate",
    }


def difference(stored: Any) -> str:
    """Returns in words what differs between the machine of a plan and this one. ``stored``: the value of ``machine`` in the plan,
    or ``None``, as in plans of earlier versions; then nothing is said."""
    known = stored if isinstance(stored, dict) else {}
    pairs = ((words, known.get(key), machine_kind()[key]) for key, words in _WORDS.items())
    return "; ".join(f"{words}: {theirs} there, {ours} here" for words, theirs, ours in pairs if theirs not in (None, ours))


def _digest(*arrays: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:12]
