"""Objects that move on their own while the camera moves: which, where to, and how they blur a crop of the photograph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blurkit.blurring.layers.objects import blur_layers, window
from blurkit.blurring.layers.paths import CameraPaths
from blurkit.camera.response import Response
from blurkit.kernels.rasterization import exposed_path, splat_kernel
from blurkit.kernels.trajectory import ShakeTerms, camera_shake
from blurkit.pair.degradation import Blur, Motion
from blurkit.pair.shake import Shake
from blurkit.pair.turn import Turn
from blurkit.recipes.sections import Objects
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion

Camera = Shake | Turn


@dataclass(frozen=True, eq=False)
class MovingObjects(Motion):
    """A motion of the camera, and with it up to m objects whose ``own`` paths, float64 (m, T, 2), are drawn before anybody knows
    what a crop shows. ``masks``: the objects within a box of the photograph, whose shape is (H, W)."""

    camera: Camera
    own: NDArray[np.float64]
    rule: Objects
    masks: Callable[[Box], Masks]
    shape: tuple[int, int]

    @property
    def reach(self) -> int:
        return self.camera.reach + math.ceil(np.abs(self._seen).max(initial=0.0))

    @property
    def _seen(self) -> NDArray[np.float64]:
        return self.own[:, : len(self.camera.weights)]

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """The blur of a region around a crop. Objects are chosen from those that the crop shows, each as likely."""
        plain = self.camera.over(crop, region, rng=rng)
        part = window(region, self.shape, self.reach + 2, self._seen)
        found = self.masks(part)
        shown = found.masks[(slice(None), *crop.within(part).slices)]
        stored = np.flatnonzero(shown.any(axis=(1, 2)))
        order = np.argsort(-found.masks.sum(axis=(1, 2)), kind="stable")  # of two that overlap the larger one is behind
        chosen = rng.permutation(self._movable(found, shown))[: len(self.own)]
        chosen = order[np.isin(order, chosen)]
        truth = replace(plain.truth, objects=found.with_planes(shown))
        if not len(chosen):
            return replace(plain, truth=truth)
        own = np.zeros((len(found), *self._seen.shape[1:]))
        own[chosen] = self._seen[: len(chosen)]
        kernels = [self._kernel(shown[place], crop, own[place]) for place in chosen]
        size = max(len(kernel) for kernel in kernels)
        moves = ObjectMotion(
            np.searchsorted(stored, chosen).astype(np.int32),
            self.own[: len(chosen)].astype(np.float32),
            np.stack([np.pad(kernel, (size - len(kernel)) // 2) for kernel in kernels]),
        )
        paths = self.camera.paths(plain).within(part.y, part.x)
        return LayeredBlur(replace(truth, moves=moves), part, found.masks[order], paths, own[order])

    def _movable(self, found: Masks, shown: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The objects that may move: those of a class that can, one each and no crowd, of which the crop shows enough."""
        singles = [self.rule.moves(name) and not crowd for name, crowd in zip(found.names, found.crowd, strict=True)]
        return np.flatnonzero(np.array(singles, bool) & (shown.sum(axis=(1, 2)) >= self.rule.least))

    def _kernel(self, shown: NDArray[np.bool_], crop: Box, own: NDArray[np.float64]) -> NDArray[np.float32]:
        """The kernel of both motions in the middle of an object."""
        y, x = (float(places.mean()) + start for places, start in zip(np.nonzero(shown), crop[:2], strict=True))
        return splat_kernel(self.camera.path_at(y, x) + own, self.camera.weights)


@dataclass(frozen=True, eq=False)
class LayeredBlur(Blur):
    """Objects cut out and moved over the background. ``window``: the part of the photograph that this takes, in whose coordinates
    are ``masks``, from back to front, and the paths of ``camera``; ``own``: what each object adds to these.

    All of a region is made at once: what objects uncover is a guess that depends on how far around it is looked.
    """

    window: Box
    masks: NDArray[np.bool_]
    camera: CameraPaths
    own: NDArray[np.float64]

    def blur(self, image: NDArray[np.uint8], tone: Response, box: Box) -> NDArray[np.float32]:
        linear = tone.table[image[self.window.slices]]
        return blur_layers(linear, self.masks, self.camera, self.own, box=box.within(self.window))


def draw_objects(
    camera: Camera, rule: Objects, masks: Callable[[Box], Masks], shape: tuple[int, int], *, anchor: str, rng: np.random.Generator
) -> MovingObjects:
    """Draw the paths of objects on top of a camera's. ``anchor``: as that of the camera's own path."""
    samples = len(camera.path if isinstance(camera, Shake) else camera.poses)
    own = np.empty((int(rng.integers(*rule.count, endpoint=True)), samples, 2))
    for path in own:
        length, anxiety = float(rng.uniform(*rule.length)), float(rng.choice(rule.anxiety))
        rates = ShakeTerms.draw(rng=rng).rates(anxiety)
        drawn = camera_shake(length=length, **rates, samples=samples, rng=rng)
        path[:] = exposed_path(drawn, exposure=camera.exposure, anchor=anchor)
    return MovingObjects(camera, own, rule, masks, shape, parameters=camera.parameters)
