"""The scores of images as scikit-image computes them."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def scikit_psnr(sharp: np.ndarray, other: np.ndarray) -> float:
    """PSNR in dB of two uint8 images."""
    return peak_signal_noise_ratio(sharp, other)


def scikit_ssim(sharp: np.ndarray, other: np.ndarray) -> float:
    """SSIM of two uint8 colour images with Gaussian weights and the population covariance, as published."""
    options = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5, "data_range": 255, "channel_axis": 2}
    return structural_similarity(sharp, other, **options)
