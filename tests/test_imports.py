"""The structure, held: imports run one way, and light entrances stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import blurkit
import trainer

BLURKIT, TRAINER = Path(blurkit.__file__).parent, Path(trainer.__file__).parent

#: What each layer may not reach up to.
UPPER = {
    "trajectory": {"kernel", "shake", "pair", "plan", "engine", "commands", "cli"},
    "kernel": {"shake", "pair", "plan", "engine", "commands", "cli"},
    "convolve": {"pair", "plan", "engine", "commands", "cli"},
    "rotation": {"field", "gather", "motion", "exposure", "pair", "plan", "engine", "commands", "cli"},
    "field": {"gather", "motion", "exposure", "pair", "plan", "engine", "commands", "cli"},
    "gather": {"motion", "exposure", "pair", "plan", "engine", "commands", "cli"},
    "layers": {"motion", "exposure", "pair", "plan", "engine", "commands", "cli"},
    "sensor": {"exposure", "motion", "pair", "plan", "engine", "commands", "cli"},
    "motion": {"exposure", "pair", "produce", "plan", "engine", "commands", "cli"},
    "exposure": {"motion", "pair", "produce", "plan", "engine", "commands", "cli"},
    "pair": {"produce", "task", "plan", "engine", "commands", "cli"},
    "task": {"plan", "engine", "commands", "cli"},
    "plan": {"engine", "commands", "cli"},
    "engine": {"commands", "cli"},
    "sources": {"pair", "produce", "task", "plan", "engine", "commands", "cli"},
    "manifest": {"sources", "card", "plan", "engine", "commands", "cli"},
    "card": {"seal", "engine", "commands", "cli"},
    "shard": {"pair", "produce", "task", "plan", "engine", "commands", "cli", "sources", "decode", "recipe"},
}


def imports(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(folder):
    return [path for path in sorted(folder.rglob("*.py")) if "data_manifests" not in path.parts]


@pytest.mark.parametrize("layer", UPPER)
def test_imports_run_one_way(layer):
    place = BLURKIT / layer
    for path in files(place) if place.is_dir() else [BLURKIT / f"{layer}.py"]:
        reached = {name.split(".")[1] for name in imports(path) if name.startswith("blurkit.")}
        assert not reached & UPPER[layer], path


def test_blurkit_never_imports_trainer_and_knows_no_torch():
    for path in files(BLURKIT):
        roots = {name.split(".")[0] for name in imports(path)}
        assert "trainer" not in roots, path
        assert "torch" not in roots, path


def test_trainer_uses_of_blurkit_what_it_may():
    allowed = {"shard", "errors", "decode", "files", "page", "contact", "figures", "configuration", "signals", "progress"}
    allowed |= {"response", "program", "__version__"}
    for path in files(TRAINER):
        assert {name.split(".")[1] for name in imports(path) if name.startswith("blurkit.")} <= allowed, path


def test_matplotlib_is_imported_for_pages_alone():
    users = {path.name for path in files(BLURKIT) if any(name.split(".")[0] == "matplotlib" for name in imports(path))}
    assert users == {"page.py"}


def loaded_after(statement):
    """Top-level packages that are loaded after a statement, in a new interpreter."""
    program = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())


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


def test_shards_need_numpy_and_h5py_alone():
    assert not loaded_after("import blurkit.shard") & {"scipy", "numba", "cv2", "matplotlib", "tqdm", "torch"}


def test_every_public_name_is_there():
    for name in blurkit.__all__:
        assert getattr(blurkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'deblur'"):
        blurkit.deblur  # noqa: B018
