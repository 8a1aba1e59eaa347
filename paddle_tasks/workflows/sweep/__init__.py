"""Sweeps: every combination of a grid and of seeds is trained, and dev chooses."""
