"""Tests that text files of any editor are read, and that other encodings are refused by name."""

import numpy as np
import pytest

from blurkit.camera.response import load_response
from blurkit.decode.objects.coco import index_annotations
from blurkit.decode.objects.vistas import read_classes
from blurkit.errors import UsageError
from blurkit.program.text import decode_text
from blurkit.recipes.load import load_recipe
from trainer.config import load_recipe as load_trainer_recipe

LABELS = '{"labels": [{"name": "object--car", "readable": "Car é", "instances": true}]}'
OTHERS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def recipe_text(package):
    from blurkit.program.toml import packaged_text

    return packaged_text(*package)


@pytest.mark.parametrize(("package", "load"), [(("blurkit", "clean"), load_recipe), (("trainer", "quick"), load_trainer_recipe)])
def test_a_recipe_with_a_byte_order_mark_is_that_recipe(tmp_path, package, load):
    text, path = recipe_text(package), tmp_path / "own.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(str(path)) == load(package[1])
    for encoding in OTHERS:
        path.write_bytes(text.encode(encoding))
        with pytest.raises(UsageError, match=r"own\.toml"):
            load(str(path))
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(UsageError, match="is UTF-16, not UTF-8; save it as UTF-8"):
        load(str(path))


def test_tables_of_a_response_with_a_byte_order_mark(tmp_path):
    numbers = " ".join(f"{value:.6f}" for value in np.linspace(0, 1, 256) ** 2)
    plain, marked = tmp_path / "plain.csv", tmp_path / "marked.csv"
    plain.write_text(numbers)
    marked.write_bytes(b"\xef\xbb\xbf" + numbers.replace(" ", ",\r\n").encode())
    np.testing.assert_array_equal(load_response(str(marked)).table, load_response(str(plain)).table)
    marked.write_bytes(numbers.encode("utf-16"))
    with pytest.raises(UsageError, match="UTF-16"):
        load_response(str(tmp_path / "marked.csv").replace("marked", "./marked"))


@pytest.mark.parametrize("read", [index_annotations, read_classes])
def test_json_files_with_a_byte_order_mark(tmp_path, read):
    path = tmp_path / "config.json"
    path.write_bytes(LABELS.encode())
    plain = read(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + LABELS.encode())
    marked = read(str(path))
    assert marked == plain if read is read_classes else marked.problems == plain.problems
    for encoding in OTHERS:
        path.write_bytes(LABELS.encode(encoding))
        with pytest.raises(UsageError, match="is UTF-16 or UTF-32, not UTF-8"):
            read(str(path))


def test_other_encodings_are_named():
    assert decode_text(b"\xef\xbb\xbfk\xc3\xb6", where="a") == "kö"
    with pytest.raises(UsageError, match="a: the file is another encoding, not UTF-8 \\(byte 1\\)"):
        decode_text("kö".encode("latin-1"), where="a")
    with pytest.raises(UsageError, match="a: the file is UTF-32"):
        decode_text("kö".encode("utf-32"), where="a")
