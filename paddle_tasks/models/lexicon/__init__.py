"""Lexicon translation: word alignment, and the most frequent target phrase of each source token."""
