"""Blur in layers: objects that move on their own over a moving camera, and defocus that follows depth."""

from blurkit.blurring.layers.depth import blur_depth, circle_of_confusion
from blurkit.blurring.layers.objects import blur_layers
from blurkit.blurring.layers.paths import NodePaths, UniformPath, turning

__all__ = ["NodePaths", "UniformPath", "blur_depth", "blur_layers", "circle_of_confusion", "turning"]
