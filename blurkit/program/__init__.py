"""What every command-line program needs, whatever it computes: files, signals, progress, options, TOML, checks of values."""
