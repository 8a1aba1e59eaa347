"""Reports on runs: the results table beside published scores, figures, and VisualDL logs."""
