"""Opinion extraction: aspects, opinion words, pairs and polarities in reviews."""
