"""One photograph becomes one pair. Each module is a step of the physics; :mod:`blurkit.pair.pair` runs them in order."""

from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.crop import laplacian_variance
from blurkit.pair.pair import Pair, make_pair
from blurkit.pair.redrawn import Redrawn
from blurkit.pair.shake import Shake, draw_shake

__all__ = ["Pair", "Redrawn", "Shake", "draw_kernel", "draw_shake", "laplacian_variance", "make_pair"]
