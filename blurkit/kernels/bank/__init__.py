"""Banks of kernels in NumPy, HDF5, MATLAB and PNG files. Reading trusts no file; writing is complete or does nothing."""

from blurkit.kernels.bank.bank import KernelBank as KernelBank
from blurkit.kernels.bank.bank import center as center
