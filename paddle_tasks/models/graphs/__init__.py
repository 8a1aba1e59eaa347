"""Trained networks as graphs for other programs: described once, written as ONNX or as a Paddle program."""
