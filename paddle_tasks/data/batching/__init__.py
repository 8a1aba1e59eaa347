"""Batches of features: packed tokens, masking, cached encodings and prefetching."""
