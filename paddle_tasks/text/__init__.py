"""Text without Paddle: the tokenizer and its vocabulary."""
