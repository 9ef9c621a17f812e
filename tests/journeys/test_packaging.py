"""Tests that the installed wheel, and an editable install, work in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT
from packaged import COUNT


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources, so that a build leaves nothing behind."""
    copy = tmp_path_factory.mktemp("sources") / "project"
    copy.mkdir()
    for name in ("blurkit", "trainer", "data_manifests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return next((tree / "dist").glob("*.whl"))


def install(folder, *arguments):
    """A new environment with this alone installed; its dependencies are borrowed from the environment of the tests."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    purelib = Path(subprocess.run([python, "-c", query], check=True, capture_output=True, text=True).stdout.strip())
    (purelib / "zz_borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, *arguments]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python.parent


def generate(scripts, folder):
    """Run the console script as a user would, in an empty folder; where it was imported from, and what it made."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    options = {"cwd": folder, "check": True, "capture_output": True, "text": True, "env": environment}
    where = subprocess.run([scripts / "python", "-c", "import blurkit; print(blurkit.__file__)"], **options).stdout
    command = [scripts / "blurkit", "generate", "--size", "64", "--limit", "3", "--recipe", "clean", "--json", "-q"]
    return where.strip(), json.loads(subprocess.run(command, **options).stdout)


def test_the_wheel_holds_what_it_should_and_nothing_stray(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"blurkit", "trainer"}
    assert "blurkit/py.typed" in names
    assert {"blurkit/recipes/handheld.toml", "trainer/recipes/quick.toml", "trainer/tables/vegan.toml"} <= set(names)
    manifests = {path.name for path in (ROOT / "data_manifests").glob("*.json")}
    assert {"coco_2017.json", "sample.json"} <= manifests
    assert {f"blurkit/data_manifests/{name}" for name in manifests} <= set(names)
    assert sum(name.endswith(".jpg") for name in names) == COUNT
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "blurkit").rglob("*.py")}
    assert sources <= set(names)


def test_the_wheel_alone_generates_in_an_empty_folder(wheel, tmp_path):
    scripts = install(tmp_path / "environment", str(wheel))
    (tmp_path / "empty").mkdir()
    where, printed = generate(scripts, tmp_path / "empty")
    assert where.startswith(str(tmp_path / "environment"))
    assert printed["made"] == 3
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["shards"]


@pytest.mark.slow
def test_an_editable_install_generates_too(tree, tmp_path):
    scripts = install(tmp_path / "environment", "--editable", str(tree))
    (tmp_path / "empty").mkdir()
    where, printed = generate(scripts, tmp_path / "empty")
    assert where.startswith(str(tree))
    assert printed["made"] == 3
