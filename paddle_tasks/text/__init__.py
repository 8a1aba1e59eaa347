"""Text processing without Paddle: tokenizer, vocabularies, words, spans, masking and truncation."""
