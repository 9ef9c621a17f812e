"""Tests that two runs or two configurations cannot share a folder, and that a refused run changes no file."""

import json
import os
import shutil

import pytest
from messages import check_said

from blurkit.decode import image
from blurkit.pipeline.remake import remake
from blurkit.program.files import temporary_path
from blurkit.shard import open_dataset


def state(folder):
    """Everything about every file of a folder that a careless program would change."""
    entries = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
    return {name: (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode) for name, status in entries}


@pytest.mark.slow
def test_a_second_run_in_one_folder_is_refused(blurkit, slowly, wait_until, frozen, tmp_path):
    out = tmp_path / "shards"
    first = blurkit.start(out, env=slowly)
    wait_until(lambda: list(out.glob("*.h5")))
    with frozen(first):
        before = state(out)
        check_said(blurkit.refused(out), "another run is writing", str(out), "--out")
        check_said(blurkit.refused(out, "--slice", "0/2"), "another run is writing", str(out))
        assert state(out) == before


@pytest.mark.slow
def test_slices_run_side_by_side_and_each_but_once(blurkit, undisturbed, slowly, wait_until, frozen, tmp_path):
    out = tmp_path / "shards"
    slices = [blurkit.start(out, "--slice", f"{number}/2", env=slowly) for number in (0, 1)]
    wait_until(lambda: len(list(out.glob(".lock-?-of-2"))) == 2 and list(out.glob("*.h5")))
    with frozen(*slices):
        check_said(blurkit.refused(out, "--slice", "1/2"), "another run is writing", str(out))
        check_said(blurkit.refused(out, "--slice", "2/3"), "another run is writing", str(out))
        check_said(blurkit.refused(out), "another run is writing", str(out), "--out")
    assert [(done.returncode, done.stderr) for done in map(blurkit.finish, slices)] == [(0, ""), (0, "")]
    undisturbed.check_same(out)


def test_what_a_killed_slice_left_is_removed_by_the_next(blurkit, undisturbed, begun):
    (begun / "00003.h5").rename(temporary_path(begun / "00003.h5"))
    (begun / "00003.json").unlink()
    done = blurkit.generate(begun, "--slice", "1/2")
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(begun)


CHANGES = {
    "seed": (("--seed", "7"), "seed: 0 there, 7 now"),
    "size": (("--size", "48x64"), "size: 64x64 there, 48x64 now"),
    "pairs": (("--per-image", "4"), "per_image: 3 there, 4 now"),
    "recipe": (("--recipe", "deblurgan"), "recipe.response.decode: srgb there, linear now"),
    "photographs": (("--limit", "20"), "images: 21 there, 20 now"),
    "shards": (("--set", "shard_bytes=900000"), "shard_bytes: 300000 there, 900000 now"),
}


QUICK = ("seed", "recipe")


@pytest.mark.parametrize("change", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CHANGES])
def test_another_configuration_is_refused(blurkit, begun, change):
    options, message = CHANGES[change]
    (begun / "00003.h5").unlink()  # there is something to be done
    (begun / "00003.json").unlink()
    before = state(begun)
    check_said(blurkit.refused(begun, *options), str(begun), message, "--out")
    assert state(begun) == before


def test_another_list_of_photographs_is_refused(blurkit, photographs, begun, tmp_path):
    """As many photographs as before, under other names."""
    source = shutil.copytree(photographs, tmp_path / "photographs", symlinks=True)
    (source / "first" / "rocket.jpg").rename(source / "first" / "rocket2.jpg")
    before = state(begun)
    done = blurkit.refused(begun, source=source)
    check_said(done, "images_digest: ", " there, ", " now")
    assert json.loads((begun / "plan.json").read_bytes())["configuration"]["images_digest"] in done.stderr
    assert state(begun) == before


def test_other_code_is_refused(blurkit, begun):
    text = (begun / "plan.json").read_text(encoding="utf-8")
    ours = json.loads(text)["configuration"]["versions"]["code"]
    (begun / "plan.json").write_text(text.replace(ours, "0123456789abcdef"), encoding="utf-8")
    before = state(begun)
    check_said(blurkit.refused(begun), f"versions.code: 0123456789abcdef there, {ours} now")
    assert state(begun) == before


def another_machine(folder):
    """Changes the record of the decoder that began a folder."""
    text = json.loads((folder / "plan.json").read_bytes())
    ours = text["configuration"]["machine"]["decoder"]
    text["configuration"]["machine"]["decoder"] = "0123456789ab"
    (folder / "plan.json").write_text(json.dumps(text), encoding="utf-8")
    return ours


def test_a_folder_of_another_kind_of_machine_is_refused(blurkit, begun):
    ours = another_machine(begun)
    before = state(begun)
    check_said(blurkit.refused(begun), f"machine.decoder: 0123456789ab there, {ours} now", "a machine of the same kind")
    assert state(begun) == before


def test_samples_of_another_kind_of_machine_are_told_from_damage(begun, photographs, monkeypatch):
    dataset = open_dataset(begun)
    assert list(remake(dataset, [0], [str(photographs)], [])) == []
    decode = image.imdecode
    monkeypatch.setattr(image, "imdecode", lambda *arguments: (decode(*arguments)[0] ^ 1, []))
    (*_, same), *_ = remake(dataset, [0], [str(photographs)], [])
    another_machine(begun)
    (*_, other), *_ = remake(dataset, [0], [str(photographs)], [])
    assert "was it made with other package versions?" in same
    assert "no sign of damage: it was made on another kind of machine (the JPEG decoder: 0123456789ab there" in other
    text = json.loads((begun / "plan.json").read_bytes())
    del text["configuration"]["machine"]  # as earlier versions wrote it
    (begun / "plan.json").write_text(json.dumps(text), encoding="utf-8")
    monkeypatch.undo()
    assert list(remake(dataset, [0], [str(photographs)], [])) == []


@pytest.mark.slow
def test_a_copied_folder_is_continued_with_photographs_that_moved(blurkit, undisturbed, photographs, begun, tmp_path):
    source = shutil.copytree(photographs, tmp_path / "elsewhere", symlinks=True)
    (begun / "00003.h5").unlink()
    (begun / "00003.json").unlink()
    done = blurkit.generate(begun, source=source)
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(begun, places=False)
    done = blurkit.verify(begun, "--recompute", "20%", "--root", str(source))
    assert done.stderr == ""
    assert "made again and equal" in done.stdout
