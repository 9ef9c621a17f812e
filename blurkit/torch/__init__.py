"""Blur on torch tensors: batches in linear light on any device, with the sensor, the kernels and the seeds of blurkit.

This room and :mod:`blurkit.adapters` are the only ones that import torch.
"""

try:
    import torch as _torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError("blurkit.torch needs PyTorch: pip install 'blurkit[torch]'", name="torch") from error

from blurkit.pair.drawn import Draw as Draw
from blurkit.pair.drawn import draw_blur as draw_blur
from blurkit.pair.seeds import seed_words as seed_words
from blurkit.torch.convolve import blur as blur
from blurkit.torch.expose import expose as expose
from blurkit.torch.expose import sharp as sharp
from blurkit.torch.field import Field as Field
from blurkit.torch.field import blur_field as blur_field
from blurkit.torch.random_blur import RandomBlur as RandomBlur

del _torch
