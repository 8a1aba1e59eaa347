"""Data: readers, checks, the catalogue of names, and the way from rows to batches."""
