"""Paddle Layers: encoders, pretrained or from scratch, and the models of the tasks on top of them."""
