"""VisualDL logs: reading, repairing and serving them."""
