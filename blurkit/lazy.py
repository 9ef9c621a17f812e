"""Loads the public names of a package on first use, so that importing the package is fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def offer(
    package: str, homes: Mapping[str, str], rooms: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns ``__getattr__`` and ``__dir__`` for a package.

    ``homes``: the module of each public name. ``rooms``: the subpackages, each imported on first use.
    """
    names = {**homes, **dict.fromkeys(rooms, "")}

    def getattribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not names[name]:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(names[name]), name)

    return getattribute, lambda: sorted(names)
