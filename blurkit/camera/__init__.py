"""The camera between light and pixels: response curves, noise, mosaic, full well, JPEG, and photographs made smaller."""

from blurkit.camera.bayer import demosaic_malvar
from blurkit.camera.downscaling import downscale
from blurkit.camera.noise import PRESETS, Noise, draw_noise
from blurkit.camera.raw import Camera
from blurkit.camera.response import Response, load_response
from blurkit.camera.sensor import add_noise, compress, highlight_table, saturated

__all__ = [
    "PRESETS",
    "Camera",
    "Noise",
    "Response",
    "add_noise",
    "compress",
    "demosaic_malvar",
    "downscale",
    "draw_noise",
    "highlight_table",
    "load_response",
    "saturated",
]
