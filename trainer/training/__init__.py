"""The run: one step, the loop around it, checkpoints, validation, and the machines that it runs on."""
