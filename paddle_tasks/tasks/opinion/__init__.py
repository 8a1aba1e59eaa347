"""Opinion extraction: aspects, opinion words, pairs and polarities in reviews."""

SUMMARY_METRICS = ("macro_f1", "f1", "triplet_f1", "loss")
TABLE_METRICS = ("triplet_f1",)
