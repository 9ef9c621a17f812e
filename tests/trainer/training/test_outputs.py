"""Tests which validation of a run counts as its best, and how a run names it."""

import json

import pytest
from json_lines import read_lines
from tiny_runs import write_pairs
from tiny_trainings import prepared, train

from trainer.evaluation.scores import Score
from trainer.training import checkpoint, loop
from trainer.training.outputs import CURVES, SHEET

BLURRED = 20.0
#: The titles of the pictures that were drawn.
DRAWN = []


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def levels(monkeypatch):
    """The PSNR of the next validations, in place of true ones: a run validates after steps 4, 8 and 9."""
    levels = []

    def validate(held, *_):
        level = levels.pop(0)
        return [Score(str(number), 24, 24, {"psnr": BLURRED}, {"psnr": level}) for number in range(len(held))]

    def draw(out, *_, title, **__):
        (out / SHEET).touch()
        (out / CURVES).touch()
        DRAWN.append(title)

    DRAWN.clear()
    monkeypatch.setattr(loop, "validate", validate)
    monkeypatch.setattr(loop, "draw", draw)
    return levels


def last_line(capsys):
    return capsys.readouterr().out.splitlines()[-1]


def test_the_last_line_names_the_best_step_and_its_gain(place, levels, capsys):
    out = place / "run"
    levels += [20.5, 22.25, 21.0]
    train(place, out, json=False)
    line = f"best: step 8, 22.25 dB, +2.25 dB over the blurred pairs; {out / 'best/generator.safetensors'}"
    assert last_line(capsys) == line
    assert json.loads((out / "best/generator.json").read_text())["step"] == 8
    train(place, out, json=False)  # a finished run says the same again
    assert last_line(capsys) == line
    train(place, out)
    found = json.loads(capsys.readouterr().out)
    assert (found["best"], found["best_step"], found["best_gain"]) == (22.25, 8, 2.25)
    assert found["best_weights"] == str(out / "best/generator.safetensors")


@pytest.mark.parametrize(("last", "gain"), [(23.5, "+3.50"), (19.0, "-1.00")])
def test_the_last_step_can_be_the_best(place, levels, capsys, last, gain):
    levels += [last - 1, last - 2, last]
    train(place, place / "run", json=False)
    assert last_line(capsys) == f"best: the last step, {last:.2f} dB, {gain} dB over the blurred pairs"


@pytest.mark.parametrize(("most", "steps"), [(100, "489"), (2, "489"), (1, "49")])
def test_pictures_are_drawn_rarely_but_first_and_last(place, levels, monkeypatch, most, steps):
    monkeypatch.setattr(loop, "DRAWN", most)
    levels += [20.5, 22.25, 21.0]
    train(place, place / "run")
    assert [f"tiny, {step} of 9 steps" for step in steps] == DRAWN


def test_a_new_start_removes_the_best_weights(place, levels):
    """They would pass for those of the new run until it validates."""
    out = place / "run"
    levels += [20.5, 22.25, 21.0]
    train(place, out)
    assert (out / "best/generator.safetensors").exists()
    with pytest.raises(IndexError):  # there is no level for the first validation
        train(place, out, resume="never")
    assert not list((out / "best").iterdir())


def test_validations_on_other_pairs_are_not_compared(place, levels, capsys):
    """The PSNR on easier pairs says nothing about the weights."""
    out = place / "run"
    for name, photographs in (("easy", 3), ("hard", 4)):
        (place / name).mkdir()
        write_pairs(place / name, photographs=photographs)
    levels += [31.0, 30.0, 32.0]
    train(place, out, val=(place / "easy/00000.h5",))
    assert json.loads(capsys.readouterr().out)["best_step"] == 9
    levels += [25.0]
    train(place, out, val=(place / "hard/00000.h5",))  # finished, so only the last validation is repeated
    found = json.loads(capsys.readouterr().out)
    assert (found["psnr"], found["best"], found["best_step"]) == (25.0, 25.0, 9)
    assert [line["val/psnr"] for line in read_lines(out / "metrics.jsonl") if "val/psnr" in line] == [31.0, 30.0, 25.0]
    assert json.loads((out / "best/generator.json").read_text())["validation"]["best"] == 25.0


def test_a_checkpoint_that_does_not_say_its_pairs_is_continued(place, levels, capsys):
    out = place / "run"
    levels += [22.0, 21.0, 20.0]
    train(place, out)
    for best in (True, False):
        path = out / checkpoint.FOLDER / (checkpoint.BEST if best else "00000009.ckpt")
        made = checkpoint.load(path)
        for key in ("pairs", "best_step"):
            del made.validation[key]
        checkpoint.save(out, made, best=best)
    capsys.readouterr()
    train(place, out)
    found = json.loads(capsys.readouterr().out)
    assert (found["psnr"], found["best"], found["best_step"]) == (20.0, 22.0, 4)
