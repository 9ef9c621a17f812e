"""The program ``blurkit``: the console script, and ``python -m blurkit``."""

import sys

from blurkit.program.entry import enter


def main() -> int:
    """Run a command and return its exit code."""
    return enter("blurkit", "blurkit.cli")


if __name__ == "__main__":
    sys.exit(main())
