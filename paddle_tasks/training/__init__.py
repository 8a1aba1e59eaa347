"""Training: the loop, the optimiser and its schedule, checkpoints and tracking."""
