"""The truth about a pair: what is known about it besides its pixels. These classes hold arrays; other rooms compute them."""

from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion
from blurkit.truth.scene import Frames, Registration, Scene
from blurkit.truth.truth import Truth

__all__ = ["Box", "Frames", "KernelField", "Masks", "ObjectMotion", "Registration", "Scene", "Truth"]
