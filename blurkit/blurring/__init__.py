"""Kernels and motions applied to images in linear light: one kernel, a field of them, layers, averaged frames."""

from blurkit.blurring.codes import blur_codes
from blurkit.blurring.convolve import blur, blur_direct, blur_fft
from blurkit.blurring.frames import average_frames, window
from blurkit.blurring.gather import blur_field
from blurkit.blurring.interpolate import interpolated
from blurkit.blurring.layers import NodePaths, UniformPath, blur_depth, blur_layers, circle_of_confusion, turning

__all__ = [
    "NodePaths",
    "UniformPath",
    "average_frames",
    "blur",
    "blur_codes",
    "blur_depth",
    "blur_direct",
    "blur_fft",
    "blur_field",
    "blur_layers",
    "circle_of_confusion",
    "interpolated",
    "turning",
    "window",
]
