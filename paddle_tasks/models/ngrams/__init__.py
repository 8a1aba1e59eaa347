"""N-gram language models over token ids, on numpy alone."""
