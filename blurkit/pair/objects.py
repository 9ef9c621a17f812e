"""Objects that move on their own while the camera moves: which objects move, their paths, and the blur of a crop."""

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
    """The motion of the camera, and the own paths of up to m objects. The paths are drawn before the crop is known. ``own``: the
    motion of each object relative to the camera's motion, float64 (m, T, 2), (x, y) in pixels. ``rule``: the section of the
    recipe. ``masks``: returns the objects in a box of the photograph. ``shape``: (H, W) of the photograph."""

    camera: Camera
    own: NDArray[np.float64]
    rule: Objects
    masks: Callable[[Box], Masks]
    shape: tuple[int, int]

    @property
    def reach(self) -> int:
        return self.camera.reach + math.ceil(np.abs(self._exposed).max(initial=0.0))

    @property
    def _exposed(self) -> NDArray[np.float64]:
        return self.own[:, : len(self.camera.weights)]

    def over(self, crop: Box, region: Box, *, rng: np.random.Generator) -> Blur:
        """Returns the blur of a region around a crop. Draws the objects that move: each object in the crop is equally likely."""
        plain = self.camera.over(crop, region, rng=rng)
        part = window(region, self.shape, self.reach + 2, self._exposed)
        nearby = self.masks(part)
        shown = nearby.masks[(slice(None), *crop.within(part).slices)]
        stored = np.flatnonzero(shown.any(axis=(1, 2)))
        order = np.argsort(-nearby.masks.sum(axis=(1, 2)), kind="stable")  # a larger object is behind a smaller one
        chosen = rng.permutation(self._movable(nearby, shown))[: len(self.own)]
        chosen = order[np.isin(order, chosen)]
        truth = replace(plain.truth, objects=nearby.with_planes(shown))
        if not len(chosen):
            return replace(plain, truth=truth)
        own = np.zeros((len(nearby), *self._exposed.shape[1:]))
        own[chosen] = self._exposed[: len(chosen)]
        kernels = [self._kernel(shown[place], crop, own[place]) for place in chosen]
        size = max(len(kernel) for kernel in kernels)
        moves = ObjectMotion(
            np.searchsorted(stored, chosen).astype(np.int32),
            self.own[: len(chosen)].astype(np.float32),
            np.stack([np.pad(kernel, (size - len(kernel)) // 2) for kernel in kernels]),
        )
        paths = self.camera.paths(plain).within(part.y, part.x)
        return LayeredBlur(replace(truth, moves=moves), part, nearby.masks[order], paths, own[order])

    def _movable(self, nearby: Masks, shown: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The numbers of the objects that may move: single objects of a class that can move, large enough in the crop."""
        singles = [self.rule.moves(name) and not crowd for name, crowd in zip(nearby.names, nearby.crowd, strict=True)]
        return np.flatnonzero(np.array(singles, bool) & (shown.sum(axis=(1, 2)) >= self.rule.least))

    def _kernel(self, shown: NDArray[np.bool_], crop: Box, own: NDArray[np.float64]) -> NDArray[np.float32]:
        """The kernel of both motions in the middle of an object."""
        y, x = (float(places.mean()) + start for places, start in zip(np.nonzero(shown), crop[:2], strict=True))
        return splat_kernel(self.camera.path_at(y, x) + own, self.camera.weights)


@dataclass(frozen=True, eq=False)
class LayeredBlur(Blur):
    """Objects are cut out and moved over the background. ``window``: the part of the photograph that is read. ``masks``: of the
    objects, from back to front, in coordinates of the window. ``camera``: the paths of the camera, in coordinates of the window.
    ``own``: the motion that each object adds to the camera's motion. A region is blurred in one piece: the background that
    objects uncover is a guess, and it depends on the size of the region."""

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
    """Draws the own paths of objects. ``anchor``: of these paths, the same as for the path of the camera."""
    samples = len(camera.path if isinstance(camera, Shake) else camera.poses)
    own = np.empty((int(rng.integers(*rule.count, endpoint=True)), samples, 2))
    for path in own:
        length, anxiety = float(rng.uniform(*rule.length)), float(rng.choice(rule.anxiety))
        rates = ShakeTerms.draw(rng=rng).rates(anxiety)
        drawn = camera_shake(length=length, **rates, samples=samples, rng=rng)
        path[:] = exposed_path(drawn, exposure=camera.exposure, anchor=anchor)
    return MovingObjects(camera, own, rule, masks, shape, parameters=camera.parameters)
