"""Decoding: search for the most probable outputs of a language model."""
