"""Decoding: continue texts with a language model, and fill the masks of texts with a masked one."""
