"""The commands of the trainer, one module each. A command is a function that returns an exit code."""
