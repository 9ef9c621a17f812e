"""The commands of ``blurkit``. Each module holds one command: a function that returns an exit code."""
