"""Tests the structure of the packages: the direction of imports, and which packages the entry points load."""

import ast
from pathlib import Path

import pytest
from fresh_interpreter import loaded_after

import blurkit
import trainer

BLURKIT, TRAINER = Path(blurkit.__file__).parent, Path(trainer.__file__).parent

#: From the ground to the roof: a room, or a module beside the rooms, imports only from those before it.
ORDER = (
    *("errors", "lazy", "jit", "truth", "program", "shard", "decode", "camera", "kernels", "recipes", "blurring", "sources"),
    *("pair", "report", "export", "pipeline", "torch", "adapters", "commands", "cli", "__main__"),
)
TRAINER_ORDER = (
    *("specs", "sections", "catalogue", "config", "data", "networks", "losses", "evaluation", "training", "commands", "cli"),
    "__main__",
)


def imports(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(folder):
    found = [path for path in sorted(folder.rglob("*.py")) if "data_manifests" not in path.parts]
    assert len(found) > 20
    return found


@pytest.mark.parametrize(("package", "order"), [(BLURKIT, ORDER), (TRAINER, TRAINER_ORDER)], ids=["blurkit", "trainer"])
def test_imports_run_one_way(package, order):
    for path in files(package):
        room = path.relative_to(package).with_suffix("").parts[0]
        if room == "__init__":
            continue
        allowed = order[: order.index(room) + 1]
        reached = {name.split(".")[1] for name in imports(path) if name.startswith(f"{package.name}.")} - {"__version__"}
        assert reached <= set(allowed), path


def test_blurkit_never_imports_trainer_and_torch_in_its_rooms_alone():
    for path in files(BLURKIT):
        roots = {name.split(".")[0] for name in imports(path)}
        assert "trainer" not in roots, path
        room = path.relative_to(BLURKIT).parts[0]
        assert "torch" not in roots or room in ("torch", "adapters"), path


def test_a_framework_is_imported_by_its_adapter_alone():
    names = {path.relative_to(BLURKIT).as_posix(): {name.split(".")[0] for name in imports(path)} for path in files(BLURKIT)}
    for framework in ("albumentations", "kornia", "deepinv"):
        users = {name for name, roots in names.items() if framework in roots}
        assert users - {"torch/benchmark.py"} == {f"adapters/{framework}.py"}


def test_trainer_uses_of_blurkit_what_it_may():
    allowed = {"errors", "truth", "program", "shard", "decode", "sources", "pair", "report", "__version__"}
    for path in files(TRAINER):
        assert {name.split(".")[1] for name in imports(path) if name.startswith("blurkit.")} <= allowed, path


def test_matplotlib_is_imported_for_pages_alone():
    users = {path.name for path in files(BLURKIT) if any(name.split(".")[0] == "matplotlib" for name in imports(path))}
    assert users == {"page.py", "plots.py"}


def test_the_command_line_imports_click_alone():
    assert not loaded_after("import blurkit, blurkit.cli") & {
        "numpy",
        "scipy",
        "numba",
        "cv2",
        "h5py",
        "matplotlib",
        "tqdm",
        "torch",
    }


def test_the_adapters_import_nothing_before_they_are_used():
    assert not loaded_after("import blurkit.adapters") & {"torch", "albumentations", "kornia", "deepinv"}


def test_shards_need_numpy_and_h5py_alone():
    assert not loaded_after("import blurkit.shard") & {"scipy", "numba", "cv2", "matplotlib", "tqdm", "torch"}


def test_every_public_name_is_there():
    for name in blurkit.__all__:
        assert getattr(blurkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'deblur'"):
        blurkit.deblur  # noqa: B018
