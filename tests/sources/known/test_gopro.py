"""Tests the source ``gopro``: it lists ready pairs, reports frames without a partner, and opens no file."""

import os
import pickle

import pytest
from clips import write_grey
from listed import ids, reasons

from blurkit.decode.place import ImagePlace
from blurkit.errors import UsageError
from blurkit.sources.known.gopro import open_gopro

SEQUENCES = {"train/GOPR0372_07_00": (47, 48, 49), "train/GOPR0374_11_00": (1, 2), "test/GOPR0384_11_00": (1, 2, 3)}


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "GOPRO_Large"
    for sequence, numbers in SEQUENCES.items():
        for number in numbers:
            for level, kind in enumerate(("sharp", "blur", "blur_gamma")):
                write_grey(root / sequence / kind / f"{number:06d}.png", 50 * level + number)
    return root


def expected(*splits):
    sequences = sorted(
        (name for name in SEQUENCES if name.split("/")[0] in splits), key=lambda name: splits.index(name[:5].strip("/"))
    )
    return [f"{name}/{number:06d}" for name in sequences for number in SEQUENCES[name]]


@pytest.mark.parametrize(("split", "splits"), [("all", ("train", "test")), ("train", ("train",)), ("test", ("test",))])
def test_each_split_has_its_pairs(tree, split, splits):
    source = open_gopro(tree, split)
    assert (source.name, source.root) == ("gopro", tree)
    assert ids(source) == expected(*splits)
    assert not source.passed_over
    for record in source.records:
        assert (record.source, record.licence, record.split) == ("gopro", "CC-BY-4.0", record.id.split("/")[0])


def test_a_record_knows_its_partners_and_its_place(tree):
    records = open_gopro(tree, "all").records
    assert len(records) == 8
    for record in records:
        sequence, number = record.id.rsplit("/", 1)
        assert record.path == str(tree / sequence / "sharp" / f"{number}.png")
        assert record.blurred == tuple(
            (kind, ImagePlace(str(tree / sequence / kind / f"{number}.png"))) for kind in ("blur", "blur_gamma")
        )
        assert int(record.read().pixels[0, 0, 0]) == int(number)
        assert int(record.read_blurred("blur").pixels[0, 0, 0]) == 50 + int(number)
        assert int(record.read_blurred("blur_gamma").pixels[0, 0, 0]) == 100 + int(number)
        frames = [int(record.clip.read(index).pixels[0, 0, 0]) for index in range(len(record.clip))]
        assert frames == list(SEQUENCES[sequence])
        assert frames[record.frame] == int(number)
        assert record.size() == (48, 64)


def test_records_of_a_sequence_share_its_clip_when_they_travel(tree):
    records = pickle.loads(pickle.dumps(list(open_gopro(tree, "all").records)))
    assert len({id(record.clip) for record in records}) == len(SEQUENCES)


def test_frames_without_a_partner_are_passed_over(tree):
    sequence = tree / "train/GOPR0372_07_00"
    (sequence / "sharp/000047.png").unlink()
    (sequence / "blur/000048.png").unlink()
    write_grey(sequence / "sharp/000050.png", 50)
    source = open_gopro(tree, "train")
    prefix = "train/GOPR0372_07_00"
    assert ids(source) == [f"{prefix}/000048", f"{prefix}/000049", "train/GOPR0374_11_00/000001", "train/GOPR0374_11_00/000002"]
    assert reasons(source) == {f"{prefix}/000047": "unpaired", f"{prefix}/000050": "unpaired"}
    first = source.records[0]
    assert [kind for kind, _ in first.blurred] == ["blur_gamma"]
    assert len(first.clip) == 3  # a sharp frame without a partner stays in the clip
    assert first.clip.read(2).pixels[0, 0, 0] == 50
    messages = {entry.id: (entry.path, entry.message) for entry in source.passed_over}
    assert messages[f"{prefix}/000047"] == (str(sequence / "blur/000047.png"), "there is no sharp frame for its blurred frame")
    assert messages[f"{prefix}/000050"][1] == "there is no blur or blur_gamma for its sharp frame"


def test_what_is_no_frame_is_passed_over(tree, tmp_path):
    sequence = tree / "train/GOPR0372_07_00"
    os.symlink(sequence / "sharp/000047.png", sequence / "sharp/000090.png")
    os.symlink(sequence, tree / "train/GOPR9999_00_00")
    os.rename(tree / "test/GOPR0384_11_00/blur", tmp_path / "away")
    os.symlink(tmp_path / "away", tree / "test/GOPR0384_11_00/blur")
    os.mkfifo(sequence / "blur/000091.png")
    (sequence / "sharp/Thumbs.db").write_bytes(b"")
    (sequence / "sharp/._000047.png").write_bytes(b"")
    (tree / "train/readme.txt").write_text("")
    source = open_gopro(tree, "all")
    assert ids(source) == expected("train", "test")
    assert {kind for record in source.records if record.split == "test" for kind, _ in record.blurred} == {"blur_gamma"}
    assert reasons(source) == {
        "train/GOPR0372_07_00/sharp/000090.png": "link",
        "train/GOPR9999_00_00": "link",
        "test/GOPR0384_11_00/blur": "link",
        "train/GOPR0372_07_00/blur/000091.png": "not_a_file",
        "train/GOPR0372_07_00/sharp/Thumbs.db": "no_image_name",
        "train/GOPR0372_07_00/sharp/._000047.png": "hidden",
        "train/readme.txt": "no_sequence",
    }


def test_no_file_is_opened(tree, monkeypatch):
    for path in tree.rglob("*.png"):
        path.write_bytes(b"")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file is opened"))
    assert len(open_gopro(tree, "all").records) == sum(map(len, SEQUENCES.values()))


def test_one_split_alone_is_enough(tree, tmp_path):
    (tree / "train").rename(tmp_path / "away")
    assert ids(open_gopro(tree, "all")) == expected("test")
    with pytest.raises(UsageError, match="none of the folders train"):
        open_gopro(tree, "train")


def test_a_split_that_is_a_link_is_refused(tree, tmp_path):
    (tree / "train").rename(tmp_path / "away")
    os.symlink(tmp_path / "away", tree / "train")
    with pytest.raises(UsageError, match="train is a symbolic link"):
        open_gopro(tree, "all")


@pytest.mark.parametrize("split", ["val", "validation", "tain"])
def test_other_splits_are_refused(tree, split):
    with pytest.raises(UsageError, match=f"gopro has no split '{split}'; it has all, train, test"):
        open_gopro(tree, split)


def test_nothing_there_says_where_it_looked_and_what_it_expects(tree, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"nowhere.*\n(.*\n)*.*GOPR0372_07_00(.*\n)*.*seungjunnah"):
        open_gopro(tmp_path / "nowhere", "all")
    with pytest.raises(UsageError, match=r"did you mean .*GOPRO_Large"):
        open_gopro(tmp_path, "all")
    monkeypatch.setenv("BLURKIT_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=f"{tmp_path}/gopro"):
        open_gopro(None, "all")
    tree.rename(tmp_path / "gopro")
    assert ids(open_gopro(None, "all")) == expected("train", "test")


def test_splits_without_pairs_are_an_error(tmp_path):
    write_grey(tmp_path / "train/GOPR0001_00_00/sharp/000001.png", 1)
    with pytest.raises(UsageError, match=rf"no pairs .* in {tmp_path}/train/GOPR\*"):
        open_gopro(tmp_path, "train")
