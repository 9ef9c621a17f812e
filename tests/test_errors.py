"""Tests how errors end a command: the message and the exit code."""

import errno

import pytest

from blurkit.errors import BadImageError, CorruptShardError, StoppedError, UsageError, guard, nearest


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("do this instead"), 2, "do this instead"),
        (CorruptShardError("shard 3"), 1, "shard 3"),
        (StoppedError("stopped", 75), 75, "stopped"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "a.h5"), 1, "a.h5: No space left on device; free some disk space"),
        (OSError(errno.EIO, "Input/output error", "a.h5"), 1, "a.h5: Input/output error; solve this, then run"),
        (ZeroDivisionError("of ours"), 3, "This is a bug; the details are in"),
    ],
)
def test_every_error_ends_as_a_message_and_an_exit_code(error, code, text, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert guard("blurkit", raising(error)) == code
    printed = capsys.readouterr().err
    assert printed.startswith("blurkit: ")
    assert text in printed
    if code == 3:
        assert "ZeroDivisionError: of ours" in next(tmp_path.glob("blurkit-error-*.log")).read_text()


def test_success_is_passed_on():
    assert guard("blurkit", lambda: 0) == 0


def test_the_nearest_word_is_named():
    assert nearest("handhold", ["clean", "handheld"]) == "; did you mean 'handheld'?"
    assert nearest("zzz", ["clean"]) == ""
    assert nearest("shot", ["noise.shot", "jpeg.share"]) == "; did you mean 'noise.shot'?"


def test_a_bad_image_survives_the_way_from_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(BadImageError("truncated", "cut short")))
    assert (error.reason, str(error)) == ("truncated", "cut short")
