"""blurkit: large paired datasets of motion-blurred and sharp photographs.

Each public name is loaded on first use, so importing the package is fast::

    import blurkit
    path = blurkit.camera_shake(length=40, diffusion=1.0, pull=2.0, reversals=0.2, rng=rng)
    kernel = blurkit.rasterize(path)
    blurred = blurkit.blur(image, kernel)
"""

from typing import TYPE_CHECKING

from blurkit.lazy import offer

if TYPE_CHECKING:
    from blurkit.blurring.convolve import blur as blur
    from blurkit.camera.response import load_response as load_response
    from blurkit.kernels.bank import KernelBank as KernelBank
    from blurkit.kernels.rasterization import rasterize as rasterize
    from blurkit.kernels.trajectory import boracchi_foi as boracchi_foi
    from blurkit.kernels.trajectory import camera_shake as camera_shake
    from blurkit.pair.pair import make_pair as make_pair
    from blurkit.pair.redrawn import Redrawn as Redrawn
    from blurkit.recipes.load import load_recipe as load_recipe
    from blurkit.shard import open_dataset as open_dataset

__version__ = "0.1.0"

_HOMES = {
    "KernelBank": "blurkit.kernels.bank",
    "Redrawn": "blurkit.pair.redrawn",
    "blur": "blurkit.blurring.convolve",
    "boracchi_foi": "blurkit.kernels.trajectory",
    "camera_shake": "blurkit.kernels.trajectory",
    "load_recipe": "blurkit.recipes.load",
    "load_response": "blurkit.camera.response",
    "make_pair": "blurkit.pair.pair",
    "open_dataset": "blurkit.shard",
    "rasterize": "blurkit.kernels.rasterization",
}
_ROOMS = ("blurring", "camera", "decode", "errors", "kernels", "pair", "recipes", "report", "shard", "sources", "torch", "truth")

__all__ = ["__version__", *_HOMES]
__getattr__, __dir__ = offer(__name__, _HOMES, _ROOMS)
