"""Pretraining: masked language models with next sentences."""
