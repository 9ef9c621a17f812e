"""The command line of the trainer."""

import sys

from blurkit.errors import USAGE


def main() -> int:
    """The console script: says what is not there yet."""
    print("trainer: this release makes datasets alone; training on them comes with the next.", file=sys.stderr)
    return USAGE
