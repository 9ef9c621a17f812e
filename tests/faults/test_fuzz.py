"""Fuzzes everything that is read from files which others may have made. Only errors with a message for people may come out.

``BLURKIT_FUZZ`` is the number of examples per test, drawn anew in each run. By default they are few and always the same.
"""

import io
import json
import os
import shutil
import tomllib

import h5py
import numpy as np
import pytest
import safetensors.numpy
import scipy.io
import torch
from dataset_roots import CLASSES, coco_document, write_coco
from hostile import DEEP, ODD, changed, changed_bytes, json_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_runs import RECIPE

from blurkit.commands.verify import verify
from blurkit.decode.objects.vistas import read_classes
from blurkit.errors import OK, BlurkitError
from blurkit.kernels.bank import KernelBank
from blurkit.program.toml import to_toml
from blurkit.recipes.load import load_recipe, packaged_text, recipe_from_toml
from blurkit.shard import open_dataset
from blurkit.shard.documents import read_plan
from blurkit.sources.known.coco import open_coco
from trainer.config import parse_recipe
from trainer.networks.generators import build_generator
from trainer.networks.weights import load_generator, save_generator
from trainer.training import checkpoint

#: Some examples are long on purpose, and hypothesis warns before it prints one.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")]

EXAMPLES = int(os.environ.get("BLURKIT_FUZZ", "0"))

fuzzed = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def attempt(read, *arguments):
    """Call ``read``. Returns its result, or the error that it raised with a message for people. Other errors fail the test."""
    try:
        return read(*arguments)
    except BlurkitError as error:
        return error


def texts(text):
    """Changed TOML texts: changed values, and changed characters."""
    document = tomllib.loads(text)
    return st.one_of(
        changed(document).map(_as_toml),
        changed_bytes(text.encode()).map(lambda data: data.decode(errors="replace")),
        st.sampled_from(["a = " + "[" * 20_000, "[" + "a." * 20_000 + "b]", "\ufeff" + text, "\0"]),
    )


def _as_toml(document):
    try:
        return to_toml(document)
    except (TypeError, ValueError):  # a value such as None, which no TOML file can hold
        return "name = 1"


@pytest.mark.parametrize("name", ["handheld", "street", "rotation", "defocus"])
def test_recipes(name):
    @fuzzed
    @given(texts(packaged_text(name)))
    def read(text):
        attempt(recipe_from_toml, text)

    read()


@fuzzed
@given(
    st.sampled_from(["trajectory.length", "noise", "kernel", "", "objects.moving", "size"]), st.one_of(ODD.map(repr), st.text())
)
def test_settings_of_recipes(key, value):
    attempt(load_recipe, "handheld", [f"{key}={value}"])


@fuzzed
@given(texts(RECIPE))
def test_recipes_of_the_trainer(text):
    attempt(lambda: parse_recipe(text, where="recipe"))


@pytest.fixture(scope="module")
def shards(small_dataset, tmp_path_factory):
    """A copy of a small dataset. Its shards stay as they are."""
    return shutil.copytree(small_dataset.folder / "shards", tmp_path_factory.mktemp("fuzz") / "shards")


@pytest.mark.parametrize("name", ["dataset.json", "plan.json", "00000.json"])
def test_files_of_a_dataset(shards, name, capsys):
    written = (shards / name).read_bytes()
    index = (shards / "dataset.json").read_bytes()

    @fuzzed
    @given(json_files(json.loads(written)))
    def read(data):
        (shards / name).write_bytes(data)
        attempt(read_plan, shards)
        dataset = attempt(lambda: open_dataset(shards, partial=True))
        if not isinstance(dataset, Exception) and len(dataset):
            attempt(lambda: dataset[0])
            attempt(lambda: dataset[len(dataset) - 1])
        code = attempt(lambda: verify(str(shards), recompute=None, roots=(), files=(), as_json=True))
        assert data == written or code != OK or json.loads(data) == json.loads(written)
        capsys.readouterr()

    try:
        if name == "00000.json":  # an index would be used instead of the records
            (shards / "dataset.json").unlink()
        read()
    finally:
        (shards / name).write_bytes(written)
        (shards / "dataset.json").write_bytes(index)


def test_coco(tmp_path):
    document = coco_document(4)
    root = write_coco(tmp_path / "coco", document)

    @fuzzed
    @given(json_files(document))
    def read(data):
        (root / "annotations" / "instances_val2017.json").write_bytes(data)
        source = attempt(lambda: open_coco(root, "val"))
        for record in () if isinstance(source, Exception) else source.records:
            if record.annotation is not None:
                attempt(record.masks)

    read()


def test_classes_of_vistas(tmp_path):
    @fuzzed
    @given(json_files({"labels": CLASSES, "version": 1.1}))
    def read(data):
        (tmp_path / "config.json").write_bytes(data)
        attempt(read_classes, tmp_path / "config.json")

    read()


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "mat", "packed.mat", "safetensors"])
def test_banks(tmp_path, kind):
    kernels = np.random.default_rng(0).random((3, 5, 5)).astype(np.float32)
    path = tmp_path / f"bank.{kind}"
    if kind == "npy":
        np.save(path, kernels)
    elif kind == "npz":
        np.savez(path, kernels=kernels, names=np.array(["a", "b", "c"]))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["kernels"] = kernels
    elif kind == "safetensors":
        safetensors.numpy.save_file({"kernels": kernels}, path)
    else:
        cells = np.empty(2, object)
        cells[:] = list(kernels[:2])
        scipy.io.savemat(path, {"kernels": kernels, "cells": cells}, do_compression="packed" in kind)
    written = path.read_bytes()
    attempt(KernelBank.load, path)

    @fuzzed
    @given(changed_bytes(written))
    def read(data):
        path.write_bytes(data)
        attempt(KernelBank.load, path)

    read()


def test_checkpoints(tmp_path):
    origin = checkpoint.Origin("recipe", "data", "cpu", 1, 2, 1, 1)
    state = {"generator": {"weight": torch.zeros(2, 2)}}
    checkpoint.save(tmp_path, checkpoint.Checkpoint(origin, 3, 6, {"step": 3, "psnr": 20.0}, state))
    (path,) = checkpoint.list_checkpoints(tmp_path)
    written = path.read_bytes()
    _, _, payload = written.partition(b"\n")
    values = torch.load(io.BytesIO(payload), weights_only=True)

    @fuzzed
    @given(st.one_of(changed_bytes(written), changed(values).map(_sealed), DEEP))
    def read(data):
        path.write_bytes(data)
        attempt(checkpoint.load, path)

    read()


def _sealed(values):
    """The bytes of a checkpoint whose digest is right and whose values are odd."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return checkpoint._head(buffer.getvalue()) + buffer.getvalue()


def test_weights(tmp_path):
    spec = {"name": "resnet", "blocks": 1, "width": 2}
    path = save_generator(tmp_path, build_generator(spec), {"generator": spec, "step": 3})
    weights, description = path.read_bytes(), path.with_name("generator.json").read_bytes()

    @fuzzed
    @given(changed_bytes(weights), json_files(json.loads(description)))
    def read(data, text):
        path.write_bytes(data)
        attempt(load_generator, path)
        path.write_bytes(weights)
        path.with_name("generator.json").write_bytes(text)
        attempt(load_generator, path)

    read()
