"""Encoders with one interface: those trained from scratch, and PaddleNLP's."""
