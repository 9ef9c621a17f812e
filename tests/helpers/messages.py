"""A check of the message of a failed command."""


def check_said(done, *words: str) -> None:
    """The error output has all of these words and no traceback. ``done``: a finished process."""
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
