"""Labelled pairs of texts."""
