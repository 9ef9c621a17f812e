"""Comparing the folders of two trainings, file by file."""

from pathlib import Path

from json_lines import read_lines

#: What differs between equal runs: the lock, and the files of TensorBoard, which hold the time and the process.
_OTHER = (".lock", "tensorboard")


def differing_files(one: Path, other: Path) -> list[str]:
    """The names of files that are in one folder only, or that differ. Lines of metrics may differ in their seconds."""
    found, expected = (_contents(folder) for folder in (one, other))
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def _contents(folder: Path) -> dict[str, object]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in _OTHER]
    return {str(path.relative_to(folder)): _content(path) for path in paths}


def _content(path: Path) -> object:
    if path.suffix != ".jsonl":
        return path.read_bytes()
    return [{**line, "seconds": 0} for line in read_lines(path)]
