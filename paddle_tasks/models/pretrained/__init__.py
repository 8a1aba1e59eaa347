"""Pretrained weights: finding, downloading, renaming, loading and saving."""
