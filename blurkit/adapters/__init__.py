"""blurkit's blur in other frameworks. Each module imports its framework, so nothing is imported here.

:mod:`blurkit.adapters.albumentations`, :mod:`blurkit.adapters.kornia`, :mod:`blurkit.adapters.deepinv`.
"""
