"""Translation by a lexicon: word alignment, and the phrase that stands for each token."""
