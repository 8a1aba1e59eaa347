"""Labelled rows: files, readers, splits, labels, folds and data checks."""
