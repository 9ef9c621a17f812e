"""Objects that move on their own while the camera moves: which, where to, and how they blur a crop of the photograph."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.layers import objects as layers
from blurkit.blurring.layers.paths import CameraPaths
from blurkit.camera.response import Response
from blurkit.kernels.rasterization import exposed_path, exposure_weights, splat_kernel
from blurkit.kernels.trajectory import ShakeTerms, camera_shake
from blurkit.pair.camera_motion import Shaken, Turned
from blurkit.pair.degradation import Blur, Light, at_once, within
from blurkit.recipes.sections import Objects
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import Moves


@dataclass(frozen=True, eq=False)
class Moving:
    """A motion of the camera, and with it up to m objects whose ``own`` paths, float64 (m, T, 2), are drawn before anybody knows
    what a crop shows. ``masks``: the objects within a box of the photograph, whose shape is (H, W)."""

    camera: Shaken | Turned
    own: NDArray[np.float64]
    rule: Objects
    masks: Callable[[Box], Masks]
    shape: tuple[int, int]

    @property
    def reach(self) -> int:
        """How far away, in pixels, a pixel's light comes from at most."""
        return self.camera.reach + math.ceil(np.abs(self._seen).max(initial=0.0))

    @property
    def exposure(self) -> float:
        """The fraction of the path that is seen."""
        return self.camera.exposure

    @property
    def parameters(self) -> dict[str, float]:
        """What was drawn, by name."""
        return self.camera.parameters

    @property
    def _seen(self) -> NDArray[np.float64]:
        return self.own[:, : len(exposure_weights(self.own.shape[1], self.exposure))]

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """The blur of a region around a crop. Objects are chosen from those that the crop shows, each as likely."""
        plain = self.camera.over(crop, region, rng=rng)
        window = layers.window(region, self.shape, self.reach + 2, self._seen)
        found = self.masks(window)
        shown = found.masks[(slice(None), *within(window, crop))]
        stored = np.flatnonzero(shown.any(axis=(1, 2)))
        order = np.argsort(-found.masks.sum(axis=(1, 2)), kind="stable")  # of two that overlap the larger one is behind
        chosen = rng.permutation(self._candidates(found, shown))[: len(self.own)]
        chosen = order[np.isin(order, chosen)]
        blur = replace(plain, objects=found.with_planes(shown))
        if not len(chosen):
            return blur
        own = np.zeros((len(found), *self._seen.shape[1:]))
        own[chosen] = self._seen[: len(chosen)]
        paths = self.camera.paths(plain)
        moves = [self._kernel(shown[place], crop, own[place]) for place in chosen]
        size = max(len(kernel) for kernel in moves)
        return replace(
            blur,
            uniform=False,
            moves=Moves(
                np.searchsorted(stored, chosen).astype(np.int32),
                self.own[: len(chosen)].astype(np.float32),
                np.stack([np.pad(kernel, (size - len(kernel)) // 2) for kernel in moves]),
            ),
            light=functools.partial(_light, found.masks[order], paths.within(*window[:2]), own[order], window),
        )

    def _candidates(self, found: Masks, shown: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The objects that may move: those of a class that can, one each and no crowd, of which the crop shows enough."""
        sizes = shown.sum(axis=(1, 2))
        rule = self.rule
        return np.array(
            [
                place
                for place, (name, crowd, size) in enumerate(zip(found.names, found.crowd, sizes, strict=True))
                if size >= rule.least and not crowd and rule.moves(name)
            ],
            np.int64,
        )

    def _kernel(self, shown: NDArray[np.bool_], crop: Box, own: NDArray[np.float64]) -> NDArray[np.float32]:
        """The kernel of both motions in the middle of an object."""
        y, x = (float(places.mean()) + start for places, start in zip(np.nonzero(shown), crop[:2], strict=True))
        path, weights = self.camera.path_at(y, x)
        return splat_kernel(path + own, weights)


def draw_moving(
    camera: Shaken | Turned,
    rule: Objects,
    masks: Callable[[Box], Masks],
    shape: tuple[int, int],
    *,
    anchor: str,
    rng: np.random.Generator,
) -> Moving:
    """Draw the paths of objects on top of a camera's. ``anchor``: as that of the camera's own path."""
    low, high = rule.count
    samples = camera.samples
    own = np.empty((int(rng.integers(low, high, endpoint=True)), samples, 2))
    for path in own:
        length, anxiety = float(rng.uniform(*rule.length)), float(rng.choice(rule.anxiety))
        rates = ShakeTerms.draw(rng=rng).rates(anxiety)
        drawn = camera_shake(length=length, **rates, samples=samples, rng=rng)
        path[:] = exposed_path(drawn, exposure=camera.exposure, anchor=anchor)
    return Moving(camera, own, rule, masks, shape)


def _light(
    masks: NDArray[np.bool_],
    camera: CameraPaths,
    own: NDArray[np.float64],
    window: Box,
    image: NDArray[np.uint8],
    tone: Response,
    region: Box,
) -> Light:
    """All of the region at once: what objects uncover is a guess that depends on how far around it is looked."""
    y, x, height, width = window
    linear = tone.table[image[y : y + height, x : x + width]]
    inner = (region[0] - y, region[1] - x, *region[2:])
    return at_once(layers.blur_layers(linear, masks, camera, own, box=inner), region)
