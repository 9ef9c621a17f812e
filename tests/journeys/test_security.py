"""Tests that data run no code: nothing in the packages unpickles, evaluates, or starts a shell."""

import ast
from pathlib import Path

import pytest

import blurkit
import trainer

FILES = [path for package in (blurkit, trainer) for path in sorted(Path(package.__file__).parent.rglob("*.py"))]

#: Modules that unpickle, or that run what data name.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "code", "codeop", "runpy"}
#: Functions that run text as code, or as a command.
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnv", "pty.spawn"}
#: Files that may start a program, with a list of arguments and never with a shell.
STARTING = {"bench.py", "encoders.py"}
#: Files that pickle messages between a process and the workers that it has started.
PICKLING = {"workers.py"}


def name_of(node):
    """The dotted name of a function, or an empty text."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def problems(source, *, starting=False):
    """What in the source of a module could run code that data hold. ``starting``: whether it may start a program."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {name}" for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        name, given = name_of(node.func), {word.arg: word.value for word in node.keywords}
        if name in CALLS or name.endswith(".read_pickle"):
            yield name
        if name.endswith("torch.load") and not name.startswith("safetensors.") and not is_true(given.get("weights_only")):
            yield "torch.load without weights_only"
        if name.rpartition(".")[2] in ("load", "loadtxt") and "allow_pickle" in given and not is_false(given["allow_pickle"]):
            yield "allow_pickle"
        if "shell" in given and not is_false(given["shell"]):
            yield "shell"
        if name.startswith("subprocess.") and not starting:
            yield name


def is_true(node):
    return isinstance(node, ast.Constant) and node.value is True


def is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "import os; os.system('x')",
        "import torch; torch.load(path)",
        "import torch; torch.load(path, weights_only=flag)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "import subprocess; subprocess.run('x', shell=True)",
    ],
)
def test_what_is_forbidden_is_found(source):
    assert list(problems(source))


def test_no_file_runs_what_data_hold():
    assert len(FILES) > 150
    found = {str(path): list(problems(path.read_text(encoding="utf-8"), starting=path.name in STARTING)) for path in FILES}
    allowed = {path: ["import pickle"] for path in found if Path(path).name in PICKLING}
    assert len(allowed) == len(PICKLING)
    assert {path: what for path, what in found.items() if what} == allowed
