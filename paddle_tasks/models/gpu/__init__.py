"""Faster kernels for a GPU."""
