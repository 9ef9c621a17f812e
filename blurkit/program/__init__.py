"""What both command-line programs share: files, signals, progress, options, TOML, checks of values, benchmarks."""
