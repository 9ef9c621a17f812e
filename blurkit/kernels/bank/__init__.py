"""Banks of kernels as files: NumPy, HDF5, MATLAB and PNG, read without trust and written whole or not at all."""

from blurkit.kernels.bank.bank import KernelBank as KernelBank
from blurkit.kernels.bank.bank import center as center
