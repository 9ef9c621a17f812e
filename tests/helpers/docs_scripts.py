"""The scripts in ``docs`` as modules."""

import importlib.util
from types import ModuleType

from checkout import ROOT


def docs_script(name: str) -> ModuleType:
    """Import ``docs/NAME.py``, which is not part of a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
