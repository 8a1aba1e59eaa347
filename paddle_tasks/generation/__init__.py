"""Decoding: what a language model writes, by search over its probabilities."""
