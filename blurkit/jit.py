"""Compilation: how every compiled function of blurkit is made and cached.

numba's own cache serves stale machine code when a helper in another file changes, and one truncated cache file breaks every
later start. So the cache folder is keyed by a digest of all sources and versions, and an entry that cannot be read is
recompiled rather than raised.
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

#: The rooms whose code compiles or decides a pixel, or which photographs there are.
PIXEL_ROOMS = ("truth", "shard", "decode", "camera", "kernels", "recipes", "blurring", "sources", "pair", "pipeline")

_Function = TypeVar("_Function", bound=Callable[..., Any])


@functools.cache
def source_digest() -> str:
    """A hexadecimal sha256 of the sources in :data:`PIXEL_ROOMS`; part of the numba cache's key and of every dataset's plan."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for room in PIXEL_ROOMS for path in (folder / room).rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def cache_folder() -> str:
    """The folder for compiled code, or an empty string where nothing can be written safely."""
    versions = f"{source_digest()} {numba.__version__} {llvmlite.__version__} {np.__version__}"
    key = hashlib.sha256(versions.encode()).hexdigest()[:16]
    home = os.environ.get("BLURKIT_CACHE") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for base in (Path(home) / "blurkit", Path(tempfile.gettempdir()) / f"blurkit-{os.getuid()}"):
        folder = base / f"numba-{key}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The cache holds pickles: never trust a folder that somebody else made in a shared place.
            status = base.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and os.access(folder, os.W_OK):
                return str(folder)
        except OSError:
            continue
    return ""


class _ForgivingCache(FunctionCache):
    """numba's cache, except that no fault of a cache file reaches the caller."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # truncated, foreign or unreadable: compile again, and replace it
            try:
                self.flush()
            except Exception:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # a full disk or a read-only home costs compile time at the next start, nothing else
            self.disable()


def compiled(**options: Any) -> Callable[[_Function], _Function]:
    """A decorator: ``numba.njit`` without the interpreter lock, cached in :func:`cache_folder`."""

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
