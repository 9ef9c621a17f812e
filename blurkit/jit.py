"""Compiles functions with numba and caches the machine code.

numba's own cache has two faults. It returns stale machine code after a helper in another file changes, and one truncated cache
file breaks every later start. So the name of the cache folder holds a digest of all sources and versions, and a function is
compiled again if its cache entry cannot be read.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target

#: The rooms whose code is compiled, decides a pixel, or decides which photographs a source has.
PIXEL_ROOMS = ("truth", "shard", "decode", "camera", "kernels", "recipes", "blurring", "sources", "pair", "pipeline")

_Function = TypeVar("_Function", bound=Callable[..., Any])


@functools.cache
def source_digest() -> str:
    """The hexadecimal sha256 of the sources in :data:`PIXEL_ROOMS`. It is part of the cache folder's name and of every plan."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for room in PIXEL_ROOMS for path in (folder / room).rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def cache_folder() -> str:
    """The folder for compiled code, or an empty string if no folder can be written safely."""
    versions = f"{source_digest()} {numba.__version__} {llvmlite.__version__} {np.__version__}"
    key = hashlib.sha256(versions.encode()).hexdigest()[:16]
    home = os.environ.get("BLURKIT_CACHE") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for base in (Path(home) / "blurkit", Path(tempfile.gettempdir()) / f"blurkit-{os.getuid()}"):
        folder = base / f"numba-{key}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The cache holds pickles, which can run code: never trust a folder that another user made in a shared place.
            status = base.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and os.access(folder, os.W_OK):
                return str(folder)
        except OSError:
            continue
    return ""


def has_fused_multiply_add() -> bool:
    """Whether compiled code rounds a product and a sum once. Nothing is compiled to find out, which would take 50 MB."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+fma" in features.split(",") or triple.startswith(("aarch64", "arm64", "powerpc64"))


class _ForgivingCache(FunctionCache):
    """numba's cache, without its errors: a faulty cache file never raises."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # truncated, foreign or unreadable: compile again and replace the file
            try:
                self.flush()
            except Exception:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # on a full disk or in a read-only home, the next start only compiles again
            self.disable()


def compiled(**options: Any) -> Callable[[_Function], _Function]:
    """Returns a decorator: ``numba.njit`` that releases the interpreter lock and caches in :func:`cache_folder`."""

    def decorate(function: _Function) -> _Function:
        dispatcher = numba.njit(nogil=True, **options)(function)
        if not numba.config.DISABLE_JIT and cache_folder():
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, cache_folder()
            try:
                dispatcher._cache = _ForgivingCache(function)
            finally:
                numba.config.CACHE_DIR = before
        return cast(_Function, dispatcher)

    return decorate
