"""Runs the command line for ``python -m blurkit``."""

import sys

from blurkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
