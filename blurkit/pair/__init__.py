"""One photograph becomes one pair: the physics of a sample, in order, over the rooms that compute it."""

from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.crop import laplacian_variance
from blurkit.pair.pair import Pair, make_pair
from blurkit.pair.shake import Shake, draw_shake

__all__ = ["Pair", "Shake", "draw_kernel", "draw_shake", "laplacian_variance", "make_pair"]
