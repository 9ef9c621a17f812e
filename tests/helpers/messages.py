"""What a command says when it fails."""


def check_said(done, *words: str) -> None:
    """It was a message for a person, with these words, and not a traceback. ``done``: a finished process."""
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
