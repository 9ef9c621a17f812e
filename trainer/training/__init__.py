"""Training: steps, the loop around them, checkpoints, devices, several processes, and the progress that is shown."""
