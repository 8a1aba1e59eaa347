"""Paddle Layers: encoders, pretrained or from scratch, and the task models on top of them."""
