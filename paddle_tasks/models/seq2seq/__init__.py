"""Encoder-decoders: recurrent ones without and with attention, and the Transformer."""
