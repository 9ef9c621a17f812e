"""Paths of the camera, and the kernels that they make: trajectories, rotations, apertures, fields over the frame, banks."""

from blurkit.kernels.aperture import Aperture, compose, disk, polygon
from blurkit.kernels.bank import KernelBank, center
from blurkit.kernels.field import composed, rotation_field
from blurkit.kernels.rasterization import KernelStatistics, exposed_path, exposure_weights, rasterize, statistics
from blurkit.kernels.rotation import camera_rotation, centered, displacements
from blurkit.kernels.trajectory import ShakeTerms, boracchi_foi, camera_shake

__all__ = [
    "Aperture",
    "KernelBank",
    "KernelStatistics",
    "ShakeTerms",
    "boracchi_foi",
    "camera_rotation",
    "camera_shake",
    "center",
    "centered",
    "compose",
    "composed",
    "disk",
    "displacements",
    "exposed_path",
    "exposure_weights",
    "polygon",
    "rasterize",
    "rotation_field",
    "statistics",
]
