"""Tests ``trainer export``: the file computes what torch does, at any size, and the commands run it."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from tiny_runs import write_pairs
from torch import nn

from blurkit.errors import BlurkitError, UsageError
from trainer.commands.deblur import deblur
from trainer.commands.export import export_generator
from trainer.evaluation.images import Photograph, read_photograph, write_photograph
from trainer.evaluation.restore import Restorer
from trainer.networks import exported
from trainer.networks.exported import ExportedGenerator, export, largest_difference
from trainer.networks.generators import build_generator
from trainer.networks.weights import load_generator, save_generator

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs the extra export: onnx, onnxscript, onnxruntime",
)
CPU = torch.device("cpu")
SPEC = {"name": "residual-unet", "width": 4}
#: Networks with normalisation by instance and with a window that is smaller than some photographs.
OTHERS = [
    {"name": "resnet", "blocks": 1, "width": 4},
    {"name": "nafnet", "width": 4, "encoder": [1], "middle": 1, "decoder": [1], "window": 384},
]


def varied(spec):
    torch.manual_seed(1)
    generator = build_generator(spec)
    for parameter in generator.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0, 0.05)
    return generator.eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    write_pairs(folder, photographs=3, variants=1, side=40)
    save_generator(folder, varied(SPEC), {"generator": SPEC, "step": 3})
    return folder


def run(place, out, **changes):
    given = {"int8": False, "data": None, "overwrite": False, "as_json": True, "quiet": True}
    return export_generator(place, out, **(given | changes))


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("spec", OTHERS, ids=lambda spec: spec["name"])
def test_the_file_computes_what_torch_does(tmp_path, spec):
    generator = varied(spec)
    export(generator, tmp_path / "x.onnx", {"generator": spec})
    loaded, description = load_generator(tmp_path / "x.onnx")
    assert description == {"generator": spec, "multiple": generator.multiple, "least": generator.least}
    sizes = [(8, 8), (40, 96), (100, 64), (400, 392), (392, 40)]
    assert largest_difference(loaded, generator, sizes) < 1e-5


@needs_onnx
def test_it_restores_an_odd_photograph_and_comes_in_int8(place, tmp_path, capsys):
    assert run(place, tmp_path / "x.onnx", int8=True, data=place / "00000.h5") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["difference"] < 1e-5
    assert result["int8"]["bytes"] == (tmp_path / "x.int8.onnx").stat().st_size
    assert result["float32"]["psnr"] == pytest.approx(result["torch"]["psnr"], abs=1e-3)
    assert result["int8"]["psnr"] == pytest.approx(result["torch"]["psnr"], abs=1)
    photograph = np.random.default_rng(1).integers(0, 256, (37, 75, 3), np.uint8)
    write_photograph(tmp_path / "in.png", Photograph(photograph))
    assert (
        deblur(tmp_path / "x.onnx", [str(tmp_path / "in.png")], tmp_path / "out.png", tile=0, device="cpu", crf=16, **QUIET) == 0
    )
    expected = Restorer(varied(SPEC), CPU)(photograph)
    made = read_photograph(tmp_path / "out.png").pixels
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert (made != photograph).mean() > 0.5
    small = Restorer(load_generator(tmp_path / "x.int8.onnx")[0], CPU)(photograph)
    assert 0 < np.abs(small.astype(float) - expected).mean() < 8
    with pytest.raises(UsageError, match="--overwrite"):
        run(place, tmp_path / "x.onnx")


QUIET = {"overwrite": False, "as_json": True, "quiet": True}


@needs_onnx
def test_a_file_that_computes_something_else_is_not_written(place, tmp_path, monkeypatch):
    monkeypatch.setattr(ExportedGenerator, "forward", lambda self, blurred: blurred)
    with pytest.raises(BlurkitError, match=r"onnxruntime and torch differ by .* at 128x128.*nothing was written"):
        run(place, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(UsageError, match=r"x\.onnx: not a file of trainer export"):
        load_generator(tmp_path / "x.onnx")
    with pytest.raises(UsageError, match="no such file"):
        load_generator(tmp_path / "y.onnx")


def test_a_missing_library_is_named_with_the_line_that_installs_it(place, tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(exported.importlib, "import_module", missing)
    with pytest.raises(UsageError, match="onnx is missing; install it with: pip install onnx onnxscript onnxruntime"):
        run(place, tmp_path / "x.onnx")
    with pytest.raises(UsageError, match="onnxruntime is missing"):
        load_generator(tmp_path / "x.onnx")
    with pytest.raises(UsageError, match=r"ends with \.onnx"):
        run(place, tmp_path / "x.pt")
    with pytest.raises(UsageError, match="name pairs with --data"):
        run(place, tmp_path / "x.onnx", int8=True)
