"""Batches of features: packed tokens, masking, caches and prefetching."""
