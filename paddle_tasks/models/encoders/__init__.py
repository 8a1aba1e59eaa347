"""Encoders: from scratch and PaddleNLP's, with one interface."""
