"""Photographs with outlined objects, and paths for their motion, for the tests of blur by layers."""

import functools
from pathlib import Path

import numpy as np
import scipy.ndimage

from blurkit.camera.response import load_response
from blurkit.kernels.rasterization import exposed_path
from blurkit.kernels.trajectory import boracchi_foi
from blurkit.sources import open_source
from blurkit.sources.record import ImageRecord

SRGB = load_response("srgb")


def coco_record(test_data: Path, name: str) -> ImageRecord:
    """The record of the real COCO with a name that ends in ``name``."""
    return next(record for record in open_source("coco", root=test_data / "coco").records if record.id.endswith(name))


@functools.cache
def outlined_photograph(test_data: Path, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of COCO in linear light, and the masks of its ``count`` largest objects, the largest first."""
    record = coco_record(test_data, name)
    masks = record.masks().masks
    order = np.argsort(-masks.sum(axis=(1, 2)), kind="stable")[:count]
    return SRGB.decode(record.read().pixels), masks[order]


def shake(length: float, rng: np.random.Generator) -> np.ndarray:
    """The path of a hand-held camera, (2000, 2)."""
    return exposed_path(boracchi_foi(length=length, anxiety=0.003, rng=rng))


def line(x: float, y: float, samples: int = 2000) -> np.ndarray:
    """A straight path of this extent around the origin."""
    return np.linspace(-0.5, 0.5, samples)[:, None] * [x, y]


def near_edges(masks: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The pixels of a box within 10 px of an object's outline, bool (h, w)."""
    y, x, height, width = box
    bands = [scipy.ndimage.binary_dilation(m, iterations=10) & ~scipy.ndimage.binary_erosion(m, iterations=10) for m in masks]
    return np.any(bands, axis=0)[y : y + height, x : x + width]
