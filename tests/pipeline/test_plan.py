"""A folder is continued only with the configuration that it was begun with. Differences are explained in words."""

import dataclasses
import json
import re

import numpy as np
import pytest

from blurkit import __version__
from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank
from blurkit.pipeline.plan import check_or_write_plan, make_plan
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.sources import open_source

BEGAN = "was begun with another configuration and was not changed:"
OTHERWISE = "choose another --out, or start again with --overwrite"
BLURKIT = "the version of blurkit that it was begun with"
CODE = "blurkit's own code that decides pixels has changed since the folder was begun"


def plan_of(settings=(), recipe="clean", choice=None, **values):
    return make_plan(
        open_source("sample", masks=False), Settings(load_recipe(recipe, settings), size=(32, 32), **values), choice=choice or {}
    )


@pytest.fixture
def begun(tmp_path):
    check_or_write_plan(tmp_path, plan_of())
    return tmp_path


def begin_with(folder, **versions):
    """Changes the versions that began the folder. Returns the versions before the change."""
    text = json.loads((folder / "plan.json").read_bytes())
    before = dict(text["configuration"]["versions"])
    text["configuration"]["versions"] |= versions
    (folder / "plan.json").write_text(json.dumps(text))
    return before


def refusal(folder, plan):
    """The lines about the differences, and the last line, which says what to do."""
    before = (folder / "plan.json").read_bytes()
    with pytest.raises(UsageError) as caught:
        check_or_write_plan(folder, plan)
    assert (folder / "plan.json").read_bytes() == before
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{folder} {BEGAN}"
    return [line.removeprefix("  ") for line in lines], last


def test_the_same_configuration_is_continued_whatever_the_recipe_calls_itself(begun):
    before = (begun / "plan.json").read_bytes()
    check_or_write_plan(begun, plan_of())
    check_or_write_plan(begun, plan_of(['name="mine"', 'summary="other words"'], choice={"limit": ["9"], "shares": "80,10,10"}))
    assert (begun / "plan.json").read_bytes() == before


def test_other_code_of_blurkits_own_is_told_in_words(begun):
    ours = begin_with(begun, code="0123456789abcdef")["code"]
    lines, last = refusal(begun, plan_of())
    assert lines == [f"versions.code: 0123456789abcdef there, {ours} now: {CODE}"]
    assert last == f"finish it with {BLURKIT}, {OTHERWISE}"


def test_another_version_of_blurkit_and_its_code_are_one_remedy(begun):
    begin_with(begun, code="0123456789abcdef", blurkit="0.0.9")
    lines, last = refusal(begun, plan_of())
    assert lines[0] == f"versions.blurkit: 0.0.9 there, {__version__} now"
    assert lines[1].endswith(CODE)
    assert last == f"finish it with {BLURKIT}, {OTHERWISE}"


def test_another_version_of_a_package_says_why_that_matters(begun):
    ours = begin_with(begun, numpy="1.0")["numpy"]
    lines, last = refusal(begun, plan_of())
    assert lines == [f"versions.numpy: 1.0 there, {ours} now: another version of this package can change a pixel"]
    assert last == f"finish it with the same versions of the packages, {OTHERWISE}"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seed": 7}, "seed: 0 there, 7 now"),
        ({"per_image": 4}, "per_image: 1 there, 4 now"),
        ({"masks": True}, "masks: False there, True now"),
        ({"settings": ["kernel.anchor=start"]}, "recipe.kernel.anchor: centroid there, start now"),
        ({"settings": ["sensor.gain=2"]}, "recipe.sensor.gain: absent there, [2.0, 2.0] now"),
        ({"choice": {"split": "val"}}, "split: absent there, val now"),
    ],
)
def test_another_value_is_told_by_its_key(begun, changes, line):
    assert refusal(begun, plan_of(**changes)) == ([line], f"finish it with the same values, {OTHERWISE}")


def test_other_photographs_are_told_in_words(begun):
    plan = plan_of()
    fewer = dataclasses.replace(plan.source, records=list(plan.records)[:5])
    lines, last = refusal(begun, make_plan(fewer, plan.settings))
    assert lines[0] == f"images: {len(plan.records)} there, 5 now"
    told = "[0-9a-f]{64} there, [0-9a-f]{64} now: the list of photographs has changed since the folder was begun"
    assert re.fullmatch(f"images_digest: {told}", lines[1])
    assert last == f"finish it with the same photographs, {OTHERWISE}"


def test_a_file_of_the_recipe_that_has_changed_is_told_in_words(tmp_path):
    def plan():
        return plan_of([f"kernels={tmp_path / 'bank.npz'}"], "bank")

    KernelBank.from_arrays([np.eye(3)]).save(tmp_path / "bank.npz")
    (tmp_path / "out").mkdir()
    check_or_write_plan(tmp_path / "out", plan())
    KernelBank.from_arrays([np.eye(5)]).save(tmp_path / "bank.npz", overwrite=True)
    (line,), last = refusal(tmp_path / "out", plan())
    assert line.startswith("recipe.files.kernels: ")
    assert line.endswith(" now: the contents of this file have changed since the folder was begun")
    assert last == f"finish it with the same files, {OTHERWISE}"


def test_of_many_differences_the_first_are_listed_and_every_remedy_is_named(begun):
    begin_with(begun, code="0123456789abcdef", numpy="1.0")
    lines, last = refusal(begun, plan_of(recipe="street", masks=True))
    assert len(lines) == 12
    assert re.fullmatch("and [0-9]+ more", lines[-1])
    remedies = f"the same values and {BLURKIT} and the same versions of the packages"
    assert last == f"finish it with {remedies}, {OTHERWISE}"
