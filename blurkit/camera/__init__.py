"""The camera, which turns light into pixels: response curves, full well, noise, mosaic, JPEG, and downscaling."""

from blurkit.camera.bayer import demosaic_malvar as demosaic_malvar
from blurkit.camera.downscaling import downscale as downscale
from blurkit.camera.noise import PRESETS as PRESETS
from blurkit.camera.noise import Noise as Noise
from blurkit.camera.noise import draw_noise as draw_noise
from blurkit.camera.raw import Camera as Camera
from blurkit.camera.response import Response as Response
from blurkit.camera.response import load_response as load_response
from blurkit.camera.sensor import add_noise as add_noise
from blurkit.camera.sensor import compress as compress
from blurkit.camera.sensor import highlight_table as highlight_table
from blurkit.camera.sensor import saturated as saturated
