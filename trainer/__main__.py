"""The program ``trainer``: the console script, and ``python -m trainer``."""

import sys

from blurkit.program.entry import enter


def main() -> int:
    """Run a command and return its exit code."""
    return enter("trainer", "trainer.cli")


if __name__ == "__main__":
    sys.exit(main())
