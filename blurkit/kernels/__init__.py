"""Camera paths and kernels: trajectories, rotations, apertures, fields of kernels, and banks of kernels as files."""

from blurkit.kernels.aperture import Aperture as Aperture
from blurkit.kernels.aperture import compose as compose
from blurkit.kernels.aperture import disk as disk
from blurkit.kernels.aperture import polygon as polygon
from blurkit.kernels.bank import KernelBank as KernelBank
from blurkit.kernels.bank import center as center
from blurkit.kernels.field import composed as composed
from blurkit.kernels.field import rotation_field as rotation_field
from blurkit.kernels.rasterization import KernelStatistics as KernelStatistics
from blurkit.kernels.rasterization import exposed_path as exposed_path
from blurkit.kernels.rasterization import exposure_weights as exposure_weights
from blurkit.kernels.rasterization import rasterize as rasterize
from blurkit.kernels.rasterization import statistics as statistics
from blurkit.kernels.rotation import camera_rotation as camera_rotation
from blurkit.kernels.rotation import centered as centered
from blurkit.kernels.rotation import displacements as displacements
from blurkit.kernels.trajectory import ShakeTerms as ShakeTerms
from blurkit.kernels.trajectory import boracchi_foi as boracchi_foi
from blurkit.kernels.trajectory import camera_shake as camera_shake
