"""Blur in linear light: by one kernel, by a field of kernels, in layers, or by averaging frames."""

from blurkit.blurring.codes import blur_codes as blur_codes
from blurkit.blurring.convolve import blur as blur
from blurkit.blurring.convolve import blur_direct as blur_direct
from blurkit.blurring.convolve import blur_fft as blur_fft
from blurkit.blurring.frames import average_frames as average_frames
from blurkit.blurring.frames import window as window
from blurkit.blurring.gather import blur_field as blur_field
from blurkit.blurring.interpolate import interpolated as interpolated
from blurkit.blurring.layers.depth import blur_depth as blur_depth
from blurkit.blurring.layers.depth import circle_of_confusion as circle_of_confusion
from blurkit.blurring.layers.objects import blur_layers as blur_layers
from blurkit.blurring.layers.paths import NodePaths as NodePaths
from blurkit.blurring.layers.paths import UniformPath as UniformPath
from blurkit.blurring.layers.paths import turning as turning
