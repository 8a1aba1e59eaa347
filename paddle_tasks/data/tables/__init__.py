"""Tables of labelled rows: readers, splits, label names, folds and data checks."""
