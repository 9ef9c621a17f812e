"""The command line of the trainer."""

import sys

from blurkit.errors import USAGE


def main() -> int:
    """The console script: says what is not there yet."""
    print("trainer: this version of blurkit makes datasets; a program that trains on them is not part of it.", file=sys.stderr)
    return USAGE
